import { awaitStatus } from './await-status/index.ts';
import type { Manager } from './contract.ts';
import { heartbeat } from './heartbeat/index.ts';
import { heartbeatInterval } from './heartbeat-interval/index.ts';
import { modelMethods } from './models/index.ts';
import { notifyEnd, notifyExcInfo } from './notify/index.ts';
import { ping } from './ping/index.ts';
import { reportRoot } from './report-root/index.ts';
import { updateBackup } from './update-backup/index.ts';

/** The conductor's own method table, for one database. A deployer's module adds to it (load.ts). */
export function createManager(): Manager {
  return {
    heartbeat,
    update_backup: updateBackup,
    report_root: reportRoot,
    notify_exc_info: notifyExcInfo,
    notify_end: notifyEnd,
    ping,
    heartbeat_interval: heartbeatInterval,
    await_status: awaitStatus,
    ...modelMethods(),
  };
}
