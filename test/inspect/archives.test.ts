/**
 * Archives as each engine lays them out, made here from a real set (Podman's own is a fixture): CRI-O and Kubernetes, containerd's CRI
 * plugin, `ctr checkpoint` and checkpoint images (OCI layouts), pods. Layouts: checkpointctl lib/metadata.go, containerd
 * images/mediatypes.go and internal/cri/server, podman-container-checkpoint(1), OCI image-spec image-layout.md.
 */
import '../../src/core/node.ts';
import { createHash } from 'node:crypto';
import { execFileSync } from 'node:child_process';
import { cpSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { checkSet } from '../../src/inspect/check/check.ts';
import { openPath } from '../../src/inspect/node/open.ts';
import { summaryOf } from '../../src/inspect/summary.ts';
import { taskRows } from '../../src/inspect/tasks.ts';

const folder = mkdtempSync(join(tmpdir(), 'sf-archives-'));
const FAMILY = 'test/fixtures/family';
const json = (path: string, value: unknown): void => writeFileSync(path, JSON.stringify(value));
const tar = (from: string, to: string, ...options: string[]): Buffer => {
  execFileSync('tar', ['cf', join(folder, to), ...options, '-C', join(folder, from), '.']);
  return readFileSync(join(folder, to));
};

function layout(name: string, config: unknown, spec: unknown, more: Readonly<Record<string, unknown>> = {}): string {
  const root = join(folder, name);
  mkdirSync(root, { recursive: true });
  cpSync(FAMILY, join(root, 'checkpoint'), { recursive: true, filter: (path) => !/crit-|stats-dump/.test(path) });
  cpSync(join(FAMILY, 'stats-dump'), join(root, 'stats-dump'));
  json(join(root, 'config.dump'), config);
  json(join(root, 'spec.dump'), spec);
  for (const [file, value] of Object.entries(more)) json(join(root, file), value);
  writeFileSync(join(root, 'dump.log'), 'log\n');
  mkdirSync(join(folder, 'diff'), { recursive: true });
  writeFileSync(join(folder, 'diff', 'changed'), 'x');
  writeFileSync(join(root, 'rootfs-diff.tar'), tar('diff', 'diff.tar'));
  return name;
}

/** An OCI layout of these blobs, as a tar. */
function oci(name: string, blobs: readonly (readonly [mediaType: string, bytes: Buffer])[], annotations = {}): string {
  const root = join(folder, name);
  mkdirSync(join(root, 'blobs', 'sha256'), { recursive: true });
  const put = (bytes: Buffer): { digest: string; size: number } => {
    const hash = createHash('sha256').update(bytes).digest('hex');
    writeFileSync(join(root, 'blobs', 'sha256', hash), bytes);
    return { digest: `sha256:${hash}`, size: bytes.length };
  };
  const layers = blobs.map(([mediaType, bytes]) => ({ mediaType, ...put(bytes) }));
  const manifest = put(Buffer.from(JSON.stringify({ schemaVersion: 2, layers, annotations })));
  json(join(root, 'index.json'), { schemaVersion: 2, manifests: [{ mediaType: 'application/vnd.oci.image.manifest.v1+json', ...manifest }] });
  json(join(root, 'oci-layout'), { imageLayoutVersion: '1.0.0' });
  tar(name, `${name}.tar`);
  return join(folder, `${name}.tar`);
}

const CRIO = { id: 'c1c2c3c4c5c6c7c8', name: 'k8s_counter_counters_default_1', rootfsImageName: 'quay.io/example/counter:latest', runtime: 'runc', createdTime: '2023-02-13T16:12:25Z', checkpointedTime: '2023-02-13T16:20:09Z' };
const CRIO_SPEC = { hostname: 'counters', annotations: { 'io.container.manager': 'cri-o', 'io.kubernetes.cri-o.ContainerName': 'counter', 'io.kubernetes.container.name': 'counter', 'io.kubernetes.cri-o.IP.0': '10.88.0.25' } };
const CONTAINERD = { id: 'd1d2d3d4d5d6d7d8', name: 'counter', rootfsImage: 'sha256:1f', rootfsImageName: 'docker.io/library/busybox:latest', runtime: 'io.containerd.runc.v2', createdTime: '2024-11-05T09:43:52Z' };
const CONTAINERD_SPEC = { annotations: { 'io.kubernetes.cri.container-name': 'counter', 'io.kubernetes.cri.sandbox-name': 'pod' } };

const archives = suite('archives of container engines');

async function opened(path: string, engine: string | undefined, name?: string): Promise<void> {
  const set = await openPath(path);
  const summary = await summaryOf(set);
  assert.is(summary.container?.engine, engine);
  assert.is(summary.container?.name, name);
  assert.equal((await taskRows(set)).map((row) => row.pid), [14596, 14601, 14602, 14603]);
  assert.equal((await checkSet(set)).filter(({ severity }) => severity === 'error'), []);
  await set.close();
}

archives('CRI-O, as the kubelet leaves it', async () => {
  layout('crio', CRIO, CRIO_SPEC, { 'bind.mounts': [] });
  tar('crio', 'checkpoint-counters_default-counter-2023.tar');
  await opened(join(folder, 'checkpoint-counters_default-counter-2023.tar'), 'CRI-O', CRIO.name);
  const set = await openPath(join(folder, 'checkpoint-counters_default-counter-2023.tar'));
  const { container, timesUs } = await summaryOf(set);
  assert.equal([container?.id, container?.checkpointed, container?.ip, container?.runtime], [CRIO.id, CRIO.checkpointedTime, '10.88.0.25', 'runc']);
  assert.is.not(timesUs, undefined, 'statistics beside the folder of images');
});

archives("containerd's CRI plugin", async () => {
  layout('containerd', CONTAINERD, CONTAINERD_SPEC, { 'status.dump': { CreatedAt: 1730799832000000000, Pid: 4711 }, 'container.log': '' });
  tar('containerd', 'containerd.tar.zst', '--zstd');
  await opened(join(folder, 'containerd.tar.zst'), 'containerd', 'counter');
});

archives('ctr checkpoint, exported: images in a blob of an OCI layout', async () => {
  const criu = tar('crio/checkpoint', 'criu.tar');
  const diff = readFileSync(join(folder, 'diff.tar'));
  await opened(oci('ctr', [['application/vnd.containerd.container.rw.tar', diff], ['application/vnd.containerd.container.criu.checkpoint.criu.tar', criu]]), undefined);
});

archives('a checkpoint image (podman checkpoint --create-image, buildah): the whole archive as a layer, compressed', async () => {
  const layer = tar('crio', 'layer.tar.gz', '--gzip');
  const path = oci('image', [['application/vnd.oci.image.layer.v1.tar+gzip', layer]], { 'io.kubernetes.cri-o.annotations.checkpoint.name': 'counter' });
  await opened(path, 'CRI-O', CRIO.name);
  const hash = createHash('sha256').update(layer).digest('hex');
  await opened(`${path}:blobs/sha256/${hash}:checkpoint`, 'CRI-O', CRIO.name);
});

archives('a pod: one archive for each container inside', async () => {
  mkdirSync(join(folder, 'pod'));
  json(join(folder, 'pod', 'pod.dump'), { metadata: { name: 'pod' } });
  for (const name of ['crio', 'containerd']) writeFileSync(join(folder, 'pod', `${name}.tar`), tar(name, `one-${name}.tar`));
  tar('pod', 'pod.tar');
  await opened(join(folder, 'pod.tar:containerd.tar:checkpoint'), 'containerd', 'counter');
  try {
    await openPath(join(folder, 'pod.tar'), { set: 'nowhere' });
    assert.unreachable();
  } catch (error) {
    assert.match((error as Error).message, 'It has sets in: containerd.tar:checkpoint, crio.tar:checkpoint.');
  }
});

archives.after(() => rmSync(folder, { recursive: true }));
archives.run();
