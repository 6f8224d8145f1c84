import { addFigures, noFigures } from './run-scenario.ts'
import { FIGURES, type Figures, type Result } from './scenario.ts'

/** The ledger over all that ran, as one object for machines. */
export function asJson(results: Result[], seed: number): Figures & { faults: object[]; seed: number } {
  const faults = results.map(({ id, title, outcome, seconds, figures, breaches, notes }) => ({
    id,
    title,
    outcome,
    seconds: Math.round(seconds),
    ...figures,
    breaches,
    notes,
  }))
  return { ...totals(results), faults, seed }
}

const totals = (results: Result[]): Figures => {
  const sum = noFigures()
  for (const { figures } of results) addFigures(sum, figures)
  return sum
}

/** One line a scenario. */
export const renderTable = (results: Result[]): string =>
  results
    .map(
      ({ id, outcome, seconds, figures }) =>
        `${id.padEnd(4)}${outcome.padEnd(8)}${seconds.toFixed(0).padStart(4)} s  ${renderFigures(figures)}`,
    )
    .join('\n')

const renderFigures = (figures: Figures): string =>
  FIGURES.map((name) => `${name.replaceAll('_', ' ')} ${figures[name].toLocaleString('en')}`).join(', ')

export function renderTotals(results: Result[]): string {
  const count = (outcome: Result['outcome']) => results.filter((r) => r.outcome === outcome).length
  const breaches = results.flatMap((r) => r.breaches.map((breach) => `  ${r.id} ${breach}`))
  return [
    '',
    `${count('held')} held, ${count('broken')} broken, ${count('skipped')} skipped`,
    ...breaches,
    ...FIGURES.map((name) => `${name.padEnd(18)}${totals(results)[name].toLocaleString('en').padStart(12)}`),
  ].join('\n')
}
