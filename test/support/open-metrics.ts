/** Reads the text of a scrape in OpenMetrics 1.0, as far as the conductor writes it. */

export interface Scraped {
  readonly contentType: string;
  readonly text: string;
  /** The types by metric. */
  readonly types: ReadonlyMap<string, string>;
  readonly samples: ReadonlyArray<ScrapedSample>;
  /** The sum of the samples with this name and these labels. Throws if there is none. */
  sum(name: string, labels?: Readonly<Record<string, string>>): number;
}

interface ScrapedSample {
  readonly name: string;
  readonly labels: Readonly<Record<string, string>>;
  readonly value: number;
}

export async function scrape(port: number): Promise<Scraped> {
  const response = await fetch(`http://127.0.0.1:${port}/metrics`);
  return readScrape(await response.text(), response.headers.get('content-type') ?? '');
}

/** Throws if a line is neither a sample nor a description. */
export function readScrape(text: string, contentType: string): Scraped {
  const types = new Map<string, string>();
  const samples: ScrapedSample[] = [];
  for (const line of text.split('\n').filter(Boolean)) {
    const type = /^# TYPE (\w+) (\w+)$/.exec(line);
    if (type !== null) types.set(type[1] ?? '', type[2] ?? '');
    if (line.startsWith('#')) continue;
    const [, name, labels = '', value] = /^(\w+)(?:\{(.*)\})? (\S+)$/.exec(line) ?? [];
    if (name === undefined) throw new Error(`no sample: ${line}`);
    const pairs = [...labels.matchAll(/(\w+)="((?:[^"\\]|\\.)*)"/g)];
    samples.push({
      name,
      labels: Object.fromEntries(pairs.map(([, label = '', own = '']) => [label, own])),
      value: value === '+Inf' ? Number.POSITIVE_INFINITY : Number(value),
    });
  }
  const sum = (name: string, labels: Readonly<Record<string, string>> = {}) => {
    const found = samples.filter(
      (sample) =>
        sample.name === name &&
        Object.entries(labels).every(([label, value]) => sample.labels[label] === value),
    );
    if (found.length === 0) throw new Error(`no sample ${name} ${JSON.stringify(labels)}`);
    return found.reduce((total, { value }) => total + value, 0);
  };
  return { contentType, text, types, samples, sum };
}
