/** The servers that the files below docs/deploy start, whoever starts them. */
import { parseAllDocuments } from 'yaml';
import { Part } from './part.ts';

export interface Container {
  /** File and name, for reports. */
  readonly where: string;
  readonly image: string;
  readonly command: readonly string[];
  /** Undefined: the value is a secret. */
  readonly variables: ReadonlyMap<string, string | undefined>;
  readonly ports: readonly number[];
  readonly routes: readonly { readonly path: string; readonly port: number }[];
  readonly mounts: readonly string[];
  /** From being told to stop until it is killed, without the time that the kill is put off before. */
  readonly graceMs: number;
}

export interface File {
  readonly path: string;
  readonly text: string;
}

/** Throws if the file is none that can be read. */
export function documentsOf({ path, text }: File): readonly Part[] {
  return parseAllDocuments(text, { merge: true }).map((document) => {
    const [fault] = [...document.errors, ...document.warnings];
    if (fault !== undefined) throw new Error(`${path}: ${fault.message}`);
    return new Part(document.toJS());
  });
}

export function containersOf(file: File): readonly Container[] {
  return documentsOf(file).flatMap((document) => [...composed(file, document), ...ofPods(file, document)]);
}

/** Of a compose file. */
function composed({ path }: File, document: Part): readonly Container[] {
  return document.get('services').entries.map(([name, service]) => ({
    where: `${path} ${name}`,
    image: service.get('image').text,
    command: service.get('command').list.map((word) => word.text),
    variables: new Map(service.get('environment').entries.map(([variable, { text }]) => [variable, text])),
    ports: service.get('ports').list.map((port) => Number(port.text.split(':').at(-1))),
    routes: [],
    mounts: service.get('volumes').list.map((volume) => volume.text.split(':')[1] ?? ''),
    graceMs: secondsOf(service.get('stop_grace_period').text),
  }));
}

function secondsOf(text: string): number {
  // What Docker gives where nothing is said.
  if (text === '') return 10_000;
  return /^\d+s$/.test(text) ? Number.parseInt(text, 10) * 1_000 : Number.NaN;
}

const PROBES = ['startupProbe', 'livenessProbe', 'readinessProbe'] as const;

/** Of a workload of Kubernetes. */
function ofPods({ path }: File, document: Part): readonly Container[] {
  const pod = document.get('spec', 'template', 'spec');
  return pod.get('containers').list.map((container) => {
    const ports = new Map(
      container.get('ports').list.map((port) => [port.get('name').text, port.get('containerPort').number ?? 0]),
    );
    const portOf = (asked: Part): number => asked.number ?? ports.get(asked.text) ?? 0;
    const annotations = document.get('spec', 'template', 'metadata', 'annotations');
    const scraped = annotations.get('prometheus.io/path').text;
    const probes = PROBES.map((probe) => container.get(probe, 'httpGet')).filter((get) => get.value !== undefined);
    return {
      where: `${path} ${container.get('name').text}`,
      image: container.get('image').text,
      command: [...container.get('command').list, ...container.get('args').list].map((word) => word.text),
      variables: new Map(
        container.get('env').list.map((variable) => {
          const value = variable.get('value');
          return [variable.get('name').text, value.value === undefined ? undefined : value.text];
        }),
      ),
      ports: [...ports.values()],
      routes: [
        ...probes.map((get) => ({ path: get.get('path').text, port: portOf(get.get('port')) })),
        ...(scraped === '' ? [] : [{ path: scraped, port: Number(annotations.get('prometheus.io/port').text) }]),
      ],
      mounts: container.get('volumeMounts').list.map((mount) => mount.get('mountPath').text),
      graceMs: (pod.get('terminationGracePeriodSeconds').number ?? 30) * 1_000 - preStopMs(container),
    };
  });
}

/** It counts against the time that a pod has to stop. */
function preStopMs(container: Part): number {
  const [program, seconds] = container.get('lifecycle', 'preStop', 'exec', 'command').list;
  return program?.text === 'sleep' ? Number(seconds?.text) * 1_000 : 0;
}

/** What refers to pods by their labels, and finds none; ports of services that their pods do not have. */
export function looseEnds(files: readonly File[]): string[] {
  const documents = files.flatMap((file) => documentsOf(file));
  const pods = documents.map((document) => document.get('spec', 'template')).filter((pod) => pod.value !== undefined);
  const found = (labels: Part): readonly Part[] =>
    pods.filter((pod) =>
      labels.entries.every(([name, { text }]) => pod.get('metadata', 'labels', name).text === text && text !== ''),
    );
  const faults: string[] = [];
  for (const document of documents) {
    const what = `${document.get('kind').text} ${document.get('metadata', 'name').text}`;
    for (const labels of selectors(document)) {
      if (labels.entries.length === 0 || found(labels).length === 0) faults.push(`${what} selects no pod.`);
    }
    if (document.get('kind').text !== 'Service') continue;
    const names = found(document.get('spec', 'selector')).flatMap((pod) =>
      pod.get('spec', 'containers').list.flatMap((container) => container.get('ports').list),
    );
    for (const port of document.get('spec', 'ports').list) {
      const target = port.get('targetPort').text;
      if (!names.some((name) => name.get('name').text === target)) faults.push(`${what} leads to no port ${target}.`);
    }
  }
  return faults;
}

/** Every set of labels by which something is chosen. */
function selectors(document: Part): readonly Part[] {
  const isService = document.get('kind').text === 'Service';
  const below = (part: Part): readonly Part[] => [
    ...part.entries.flatMap(([name, inner]) =>
      ['matchLabels'].includes(name) ? [inner] : name === 'volumeClaimTemplates' ? [] : below(inner),
    ),
    ...part.list.flatMap((inner) => below(inner)),
  ];
  return [...(isService ? [document.get('spec', 'selector')] : []), ...below(document.get('spec'))];
}
