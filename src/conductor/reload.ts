import { changesBetween, checkFiles, merged, type Snapshot, snapshotOf } from '../core/config/changes.ts';
import { type Config, secretsOf } from '../core/config/load.ts';
import type { Masking } from '../core/config/secrets.ts';
import type { ConfiguredTransport } from '../core/config/transport-kind.ts';
import { warningsOf } from '../core/config/warnings.ts';
import type { Supervisor } from '../core/gateway/supervisor.ts';
import { type Logger, setLevel } from '../core/logger.ts';
import type { Transport } from '../core/transport/contract.ts';
import type { DatabaseProbe } from '../database/probe.ts';
import type { Jobs } from '../jobs/jobs.ts';
import type { WorkerPool } from '../workers/pool.ts';
import { workerSettingsOf } from '../workers/settings.ts';
import { checkSchema } from './database.ts';

/** The parts of a replica that take over a changed configuration. */
export interface ReloadingParts {
  /** As the replica has been started. */
  readonly config: Config;
  readonly pool: Pick<WorkerPool, 'renew'>;
  readonly jobs: Pick<Jobs, 'renew'>;
  readonly probe: Pick<DatabaseProbe, 'renew'>;
  readonly page: Pick<DatabaseProbe, 'renew'>;
  readonly transports: ReadonlyArray<{
    readonly name: string;
    readonly supervisor: Pick<Supervisor, 'renew'>;
    readonly logger: Logger;
    readonly create: (configured: ConfiguredTransport) => Transport;
  }>;
  readonly masking: Pick<Masking, 'add'>;
  readonly logger: Logger;
}

/** The changed keys that a replica has taken over, and those that need a restart. Without values. */
export interface Reloaded {
  readonly changed: ReadonlyArray<string>;
  readonly needRestart: ReadonlyArray<string>;
}

/** Takes over a configuration that has been read anew: credentials, certificates, grants, the level of the log. */
export class Reloading {
  private readonly parts: ReloadingParts;
  private current: Snapshot;

  constructor(parts: ReloadingParts) {
    this.parts = parts;
    this.current = snapshotOf(parts.config);
  }

  /**
   * Resolves once all parts use the new values. Rejects with ConfigError or NotConnected if they cannot be used; then nothing has
   * changed. The caller makes one call at a time.
   */
  async take(config: Config): Promise<Reloaded> {
    const { parts, current } = this;
    parts.masking.add(secretsOf(config));
    checkFiles(config);
    const next = snapshotOf(config);
    const changes = changesBetween(current, next);
    const { live, restart } = changes;
    const taken = merged(current, next, changes);

    // Everything that can fail comes first.
    const concerns = (pattern: RegExp) => live.some((key) => pattern.test(key));
    const transports = parts.transports.flatMap((transport) => {
      const configured = taken.config.transports.find(({ name }) => name === transport.name);
      const isSignedInAnew = live.some(
        (key) => key.startsWith(`transports.${transport.name}.`) && !key.endsWith('.auth.instRpcKeyEncrKey'),
      );
      return configured === undefined || !isSignedInAnew
        ? []
        : [{ ...transport, renewed: transport.create(configured) }];
    });
    const concernsDatabase = concerns(/^database\./);
    const concernsAccess = concerns(/^(models|services)$/);
    if (concernsDatabase || concernsAccess)
      await checkSchema(taken.config.database, taken.config.access, async () => {});
    const switchWorkers =
      concernsDatabase || concernsAccess || concerns(/^transports\..*\.auth\.instRpcKeyEncrKey$/)
        ? await parts.pool.renew(workerSettingsOf(taken.config))
        : undefined;

    switchWorkers?.();
    setLevel(parts.logger, taken.config.log.level);
    if (concernsDatabase) {
      parts.jobs.renew(taken.config.database);
      parts.probe.renew(taken.config.database);
      parts.page.renew(taken.config.database);
    }
    this.current = taken;
    if (live.length > 0) this.tellWarnings(taken.config);
    // One after the other, so that messages flow on the others.
    for (const { supervisor, renewed } of transports) await supervisor.renew(renewed);
    return { changed: live, needRestart: restart };
  }

  private tellWarnings(config: Config): void {
    for (const configured of config.transports) {
      const transport = this.parts.transports.find(({ name }) => name === configured.name);
      for (const warning of warningsOf(configured, config))
        transport?.logger.warn({ code: 'configuration' }, warning);
    }
  }
}
