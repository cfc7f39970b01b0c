/**
 * Figures that are kept as plain numbers and read when somebody scrapes: the hot path only adds.
 *
 * Owns: the registry and the text of a scrape. Does not own: any figure.
 */
import { Counter, Gauge, Registry } from 'prom-client';
import { Histogram, type HistogramOptions } from './histogram.ts';

export interface Labels {
  readonly [name: string]: string;
}

/** One value of a metric. */
export interface Sample {
  readonly value: number;
  readonly labels?: Labels;
}

interface Metric {
  readonly name: string;
  readonly help: string;
  readonly labels?: readonly string[];
}

export class Scrape {
  readonly registry = new Registry();
  readonly #histograms: Histogram[] = [];
  readonly #before: (() => void)[] = [];

  /** Called once at the begin of each scrape, for what is dear to ask. */
  before(read: () => void): void {
    this.#before.push(read);
  }

  /** A figure that only rises. */
  counter(metric: Metric, read: () => readonly Sample[]): void {
    const { name, help, labels = [] } = metric;
    const counter = new Counter({
      name,
      help,
      labelNames: labels,
      registers: [this.registry],
      collect: () => {
        counter.reset();
        for (const sample of read()) counter.inc({ ...sample.labels }, sample.value);
      },
    });
  }

  gauge(metric: Metric, read: () => readonly Sample[]): void {
    const { name, help, labels = [] } = metric;
    const gauge = new Gauge({
      name,
      help,
      labelNames: labels,
      registers: [this.registry],
      collect: () => {
        gauge.reset();
        for (const sample of read()) gauge.set({ ...sample.labels }, sample.value);
      },
    });
  }

  histogram(options: HistogramOptions): Histogram {
    const histogram = new Histogram(options);
    this.#histograms.push(histogram);
    return histogram;
  }

  async text(): Promise<string> {
    for (const read of this.#before) read();
    const counted = await this.registry.metrics();
    return `${[counted.trimEnd(), ...this.#histograms.map((histogram) => histogram.text())].join('\n\n')}\n`;
  }
}
