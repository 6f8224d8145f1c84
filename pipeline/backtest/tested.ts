/** What was tested, by column: row i of each is one transaction with the score that would be stored. */
export interface Tested {
  scores: Float32Array
  labels: Uint8Array
  /** A number for each account. */
  accounts: Int32Array
  /** Event days since 1970 (UTC). */
  days: Int32Array
  /** Amounts in units of 1/10,000 of the base currency; NaN where there is no rate. */
  amounts: Float64Array
}

/** What is in `Tested.labels`. Unlabelled is not good: such a row is an alert or none, and neither right nor wrong. */
export const GOOD = 0
export const FRAUD = 1
export const UNKNOWN = 2

/** Columns that grow. */
export class TestedRows {
  #columns = columnsOf(1 << 16)
  #rows = 0

  add(score: number, label: number, account: number, day: number, amount: number): void {
    if (this.#rows === this.#columns.scores.length) this.#grow()
    const at = this.#rows++
    const { scores, labels, accounts, days, amounts } = this.#columns
    scores[at] = score
    labels[at] = label
    accounts[at] = account
    days[at] = day
    amounts[at] = amount
  }

  /** The rows that are kept. @param keep asked with each row's account and day */
  select(keep: (account: number, day: number) => boolean): Tested {
    const { scores, labels, accounts, days, amounts } = this.#columns
    const kept = columnsOf(this.#rows)
    let rows = 0
    for (let i = 0; i < this.#rows; i++) {
      if (!keep(accounts[i], days[i])) continue
      kept.scores[rows] = scores[i]
      kept.labels[rows] = labels[i]
      kept.accounts[rows] = accounts[i]
      kept.days[rows] = days[i]
      kept.amounts[rows++] = amounts[i]
    }
    return firstOf(kept, rows)
  }

  get length(): number {
    return this.#rows
  }

  #grow(): void {
    const old = this.#columns
    this.#columns = columnsOf(this.#rows * 2)
    for (const name of Object.keys(old) as (keyof Tested)[]) this.#columns[name].set(old[name])
  }
}

const columnsOf = (rows: number): Tested => ({
  scores: new Float32Array(rows),
  labels: new Uint8Array(rows),
  accounts: new Int32Array(rows),
  days: new Int32Array(rows),
  amounts: new Float64Array(rows),
})

const firstOf = ({ scores, labels, accounts, days, amounts }: Tested, rows: number): Tested => ({
  scores: scores.subarray(0, rows),
  labels: labels.subarray(0, rows),
  accounts: accounts.subarray(0, rows),
  days: days.subarray(0, rows),
  amounts: amounts.subarray(0, rows),
})
