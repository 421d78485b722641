import { Counter, Gauge, type Registry } from 'prom-client';

/** The labels of a sample. */
type Labels = Record<string, string | number>;
/** One value of a metric. */
export type Sample = readonly [labels: Labels, value: number];

/** Declares one metric, by a function that reads its samples. */
export type Declare = (
  name: string,
  help: string,
  labelNames: string[],
  read: () => Iterable<Sample>,
) => void;

/** Declares metrics whose values are read when they are scraped, so that nothing has to keep them current. */
export const declareOn = (registry: Registry): { readonly gauge: Declare; readonly counter: Declare } => ({
  gauge: (name, help, labelNames, read) => {
    const metric: Gauge = new Gauge({
      name,
      help,
      labelNames,
      registers: [registry],
      collect: () => fill(metric, read()),
    });
  },
  counter: (name, help, labelNames, read) => {
    const metric: Counter = new Counter({
      name,
      help,
      labelNames,
      registers: [registry],
      collect: () => fill(metric, read()),
    });
  },
});

/** A counter is set anew like a gauge: what it counts is counted elsewhere. */
const fill = (metric: Gauge | Counter, samples: Iterable<Sample>): void => {
  metric.reset();
  for (const [labels, value] of samples) metric.inc(labels, value);
};
