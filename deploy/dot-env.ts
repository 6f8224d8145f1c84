import { existsSync } from 'node:fs'
import { loadEnvFile } from 'node:process'

/** Reads `.env` in the working directory when there is one; what is already set stays as it is. */
export function loadDotEnv(): void {
  if (existsSync('.env')) loadEnvFile('.env')
}
