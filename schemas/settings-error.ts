/** All faults of the settings in one error, each with its name, what was got and what is expected. */
export class SettingsError extends Error {
  readonly faults: string[]
  constructor(faults: string[]) {
    super(`the settings are not usable:\n${faults.map((f) => `  - ${f}`).join('\n')}`)
    this.name = 'SettingsError'
    this.faults = faults
  }
}
