import { join } from 'node:path';
import ava from 'ava';
import { topics } from '../../src/admin/metrics/index.ts';
import { CommandLine } from '../../src/commands/command-line.ts';
import { createProgram } from '../../src/commands/program.ts';
import type { Config } from '../../src/core/config/load.ts';
import type { JsonObject } from '../../src/core/json.ts';
import { startConductorHere } from '../support/conductor.ts';
import { createDatabase } from '../support/database.ts';
import { freePort } from '../support/ports.ts';
import { findProgram, startProcess } from '../support/processes.ts';
import { needs, onlyIf, service } from '../support/services.ts';
import { addressOf, at, documentsOf, kinds, listOf, mapOf, readConfig, root, textOf } from './support.ts';

const folder = 'deploy/kubernetes';
const secrets = '/run/secrets/conductor';
const documentsIn = (file: string) => documentsOf(textOf(`${folder}/${file}`));
const configOf = (kind: string) => readConfig(textOf(`${folder}/${kind}/conductor.yaml`), secrets);

const [deployment] = documentsIn('base/deployment.yaml');
const container = at(deployment, 'spec', 'template', 'spec', 'containers', 0);
const probes = ['startupProbe', 'livenessProbe', 'readinessProbe'];

for (const [file, what] of [
  ['base/deployment.yaml', 'a replica'],
  ['migrate/job.yaml', 'the migration'],
] as const) {
  ava(`${what} runs without root, rights and a writable file system, within bounds`, (t) => {
    const pod = at(documentsIn(file)[0], 'spec', 'template', 'spec');
    t.like(pod, {
      automountServiceAccountToken: false,
      enableServiceLinks: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    });
    const [, user] = /^USER (\d+):/m.exec(textOf('deploy/Containerfile')) ?? [];
    t.is(user, String(at(pod, 'securityContext', 'runAsUser')));
    t.like(at(pod, 'containers', 0), {
      securityContext: {
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      },
    });
    const resources = at(pod, 'containers', 0, 'resources');
    for (const path of [
      ['requests', 'cpu'],
      ['requests', 'memory'],
      ['limits', 'memory'],
    ])
      t.truthy(at(resources, ...path), path.join('.'));
    for (const mount of listOf(at(pod, 'containers', 0, 'volumeMounts')))
      t.true(at(mount, 'name') === 'tmp' || at(mount, 'readOnly') === true, String(at(mount, 'name')));
  });
}

for (const kind of kinds) {
  ava(`${kind}: the configuration is accepted, and its secrets and its port are those of the pod`, (t) => {
    const config = configOf(kind);
    t.is(config.transports.length, 1);
    t.is(String(transportOf(config).options.kind), kind);
    t.is(config.admin.host, '0.0.0.0');
    t.true(config.admin.openMetrics);
    t.is(at(container, 'ports', 0, 'containerPort'), config.admin.port);
    t.true(config.workers.threads > 0);
    const grace = Number(at(deployment, 'spec', 'template', 'spec', 'terminationGracePeriodSeconds'));
    t.true(grace * 1000 > config.shutdown.deadline);
    const files = [...textOf(`${folder}/${kind}/conductor.yaml`).matchAll(/File: (\S+)/g)].map(
      ([, file]) => file,
    );
    t.deepEqual(files, [`${secrets}/database`, `${secrets}/broker`, `${secrets}/admin`]);
    const made = textOf('docs/deploying.md').match(/create secret generic conductor (.*)/)?.[1] ?? '';
    for (const name of ['database', 'broker', 'admin']) t.true(made.includes(`--from-file=${name}=`), name);
  });

  ava(`${kind}: KEDA scales the object that is there, by a signal that exists`, (t) => {
    const [scaled] = documentsIn(`${kind}/scaled-object.yaml`);
    const { options } = transportOf(configOf(kind));
    const metadata = at(scaled, 'spec', 'triggers', 0, 'metadata');
    t.is(at(scaled, 'spec', 'scaleTargetRef', 'name'), at(deployment, 'metadata', 'name'));
    t.is(at(scaled, 'spec', 'scaleTargetRef', 'kind'), kind === 'mqtt' ? 'StatefulSet' : 'Deployment');
    t.true(Number(at(scaled, 'spec', 'minReplicaCount')) >= 2);
    if (kind === 'nats') {
      t.is(at(metadata, 'stream'), at(options, 'stream'));
      t.is(at(metadata, 'consumer'), at(options, 'consumer'));
      t.true(Number(at(options, 'expectedReplicas')) >= Number(at(scaled, 'spec', 'maxReplicaCount')));
    } else if (kind === 'mqtt') {
      const query = String(at(metadata, 'query'));
      const names = Object.values(topics)
        .flat()
        .map(({ name }) => name);
      t.true(
        names.some((name) => query.includes(`${name}{`)),
        query,
      );
    } else {
      t.is(at(metadata, 'queueName'), at(options, kind === 'amqp091' ? 'queue' : 'address'));
      const [, authentication] = documentsIn(`${kind}/scaled-object.yaml`);
      t.is(
        at(scaled, 'spec', 'triggers', 0, 'authenticationRef', 'name'),
        at(authentication, 'metadata', 'name'),
      );
    }
  });
}

function transportOf({ transports: [transport] }: Config) {
  if (transport === undefined) throw new Error('the configuration has no transport');
  return transport;
}

ava('the configuration of the migration is accepted', (t) => {
  const config = readConfig(textOf(`${folder}/migrate/conductor.yaml`), secrets);
  t.is(config.transports.length, 0);
});

ava('the migration grants its rights to the user of the replicas', async (t) => {
  const args = listOf(
    at(documentsIn('migrate/job.yaml')[0], 'spec', 'template', 'spec', 'containers', 0, 'args'),
  );
  let role: string | undefined;
  const program = createProgram(new CommandLine(), '0');
  program.commands
    .find((one) => one.name() === 'migrate')
    ?.action(({ grantTo }: { grantTo?: string }) => {
      role = grantTo;
    });
  await program.parseAsync(args.map(String), { from: 'user' });
  for (const kind of kinds) t.is(role, new URL(configOf(kind).database.url).username, kind);
});

needs(
  ava,
  'nats',
  'postgres',
)('each probe of the pod asks a path that a replica answers', async (t) => {
  const database = await createDatabase(t, { migrated: true });
  const port = await freePort();
  const transports = {
    edge: {
      kind: 'nats',
      url: service('nats').url,
      stream: `KUBERNETES-${port}`,
      consumer: 'kubernetes',
      subject: `kubernetes.${port}.*`,
      auth: { mode: 'subject' },
    },
  };
  await startConductorHere(t, { database: database.url, transports, settings: { admin: { port } } });
  for (const probe of probes) {
    t.is(at(container, probe, 'httpGet', 'port'), at(container, 'ports', 0, 'name'), probe);
    const response = await fetch(`http://127.0.0.1:${port}${at(container, probe, 'httpGet', 'path')}`);
    t.is(response.status, 200, probe);
  }
});

const kubectl = findProgram('kubectl');
const rendered = onlyIf(
  ava,
  kubectl !== undefined,
  'kubectl is not installed, so nothing renders deploy/kubernetes',
);

async function render(path: string): Promise<JsonObject[]> {
  const child = startProcess(kubectl ?? '', ['kustomize', join(root, folder, path)]);
  const { code } = await child.exited;
  if (code !== 0) throw new Error(child.output());
  return documentsOf(child.stdout());
}

const labels = { 'app.kubernetes.io/name': 'conductor' };

for (const kind of kinds) {
  rendered(`${kind}: the rendered objects belong together`, async (t) => {
    const objects = await render(kind);
    const find = (name: string) => {
      const [object, another] = objects.filter((one) => one.kind === name);
      t.is(another, undefined, name);
      return mapOf(object);
    };
    const workload = find(kind === 'mqtt' ? 'StatefulSet' : 'Deployment');
    t.true(Number(at(workload, 'spec', 'replicas')) >= 2);
    t.deepEqual(at(workload, 'spec', 'selector', 'matchLabels'), labels);
    t.deepEqual(at(workload, 'spec', 'template', 'metadata', 'labels'), labels);
    t.deepEqual(at(find('PodDisruptionBudget'), 'spec', 'selector', 'matchLabels'), labels);
    t.deepEqual(at(find('NetworkPolicy'), 'spec', 'podSelector', 'matchLabels'), labels);
    const pod = mapOf(at(workload, 'spec', 'template', 'spec'));
    t.regex(String(at(pod, 'containers', 0, 'image')), /^[\w./-]+:\d+\.\d+\.\d+$/);
    t.is(pod.serviceAccountName, at(find('ServiceAccount'), 'metadata', 'name'));
    const map = find('ConfigMap');
    const mounted = listOf(pod.volumes).map((volume) => at(volume, 'configMap', 'name'));
    t.true(mounted.includes(at(map, 'metadata', 'name')));
    const text = String(at(map, 'data', 'conductor.yaml'));
    const config = readConfig(text, secrets);
    const ports = listOf(at(find('NetworkPolicy'), 'spec', 'egress')).flatMap((rule) =>
      listOf(at(rule, 'ports')).map((one) => at(one, 'port')),
    );
    t.true(ports.includes(addressOf(config.database.url).port));
    t.true(ports.includes(addressOf(at(transportOf(config).options, 'url')).port));
    if (kind !== 'mqtt') return;
    t.is(at(workload, 'spec', 'serviceName'), at(find('Service'), 'metadata', 'name'));
    t.is(at(workload, 'spec', 'strategy'), undefined);
  });
}

rendered('the rendered migration has its configuration', async (t) => {
  const objects = await render('migrate');
  const job = objects.find((one) => one.kind === 'Job');
  const map = objects.find((one) => one.kind === 'ConfigMap');
  const volumes = listOf(at(job, 'spec', 'template', 'spec', 'volumes'));
  t.true(volumes.some((one) => at(one, 'configMap', 'name') === at(map, 'metadata', 'name')));
});
