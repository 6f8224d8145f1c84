import { Gauge, type Registry } from 'prom-client'

/** Values by their label's value; where the metric has no label, at most one. */
export type Values = Iterable<[label: string, value: number]>

/** @returns makes metrics that are worked out when they are read; what is not known then is absent */
export const sampledGauges =
  (registers: Registry[]) =>
  (name: string, help: string, label: string | null, values: () => Values): void => {
    new Gauge({
      name,
      help,
      labelNames: label === null ? [] : [label],
      registers,
      collect() {
        this.reset()
        // Without labels prom-client begins at 0, which would be an answer.
        if (label === null) this.remove()
        for (const [of, value] of values()) this.set(label === null ? {} : { [label]: of }, value)
      },
    })
  }
