import { readFileSync } from 'node:fs'
import { z } from 'zod'

/** What stands beside a backup, in plain JSON: what it is, and what must be in it. It holds no data of anybody. */

const count = z.number().int().min(0)
const sha256 = z.string().regex(/^[0-9a-f]{64}$/)
const time = z.iso.datetime()

const tableForm = z.object({
  /** With its schema, quoted as SQL needs it. */
  name: z.string(),
  rows: count,
  /** Rows whose content is in the digest. */
  sampled: count,
  /** Sum of 48 bits of each sampled row's MD5, in decimals: the rows' order does not matter. */
  digest: z.string(),
})
export type TableFacts = z.infer<typeof tableForm>

const factsForm = z.object({
  /** When the snapshot was taken, or a moment before: what was committed before it is in the backup. */
  taken_at: time,
  migrations: z.array(z.string()),
  tables: z.array(tableForm),
  positions: z.array(z.object({ topic: z.string(), partition: count, next_offset: count, stored: count })),
  /** Sequences that were used, with their last value. */
  sequences: z.array(z.object({ name: z.string(), last_value: z.number() })),
  /** The last link of the audit's chain; null before migration 0016. */
  audit: z.object({ seq: count, hash: sha256 }).nullable(),
  /** null before migration 0010. */
  labels: z.object({ fraud: count, genuine: count, taken_back: count }).nullable(),
  /** Roles other than the owner that something was granted to. */
  roles: z.array(z.string()),
})
/** What a database holds at one moment. */
export type Facts = z.infer<typeof factsForm>

const manifestForm = z.object({
  format: z.literal('weir-backup-1'),
  /** The encrypted file's name. */
  file: z.string(),
  /** Bytes of the encrypted file. */
  size: count,
  /** Of the encrypted file, in hex. */
  sha256,
  encryption: z.object({ by: z.enum(['age', 'gpg']), recipients: z.array(z.string()).min(1) }),
  started_at: time,
  ended_at: time,
  weir_version: z.string(),
  database: z.string(),
  server_version: z.string(),
  server_major: count,
  pg_dump_version: z.string(),
  pg_dump_major: count,
  facts: factsForm,
})
export type Manifest = z.infer<typeof manifestForm>

/** What verify leaves beside a backup. The manifest stays as it is: a copy of it elsewhere stays true. */
const verificationForm = z.object({
  format: z.literal('weir-backup-verification-1'),
  /** The file that was verified. */
  sha256,
  verified_at: time,
  seconds: z.number().min(0),
  server_version: z.string(),
  tables: count,
  rows: count,
  audit_rows: count.nullable(),
})
export type Verification = z.infer<typeof verificationForm>

export const manifestOf = (backup: string): string => `${backup}.json`
export const verificationOf = (backup: string): string => `${backup}.verified.json`

/**
 * @param backup path of the encrypted file
 * @throws when the manifest is missing or is none
 */
export function readManifest(backup: string): Manifest {
  const path = manifestOf(backup)
  const manifest = read(path, manifestForm)
  if (manifest === undefined)
    throw new Error(`${path} is missing: without its manifest a backup cannot be compared with anything`)
  return manifest
}

/** undefined for a backup that was not verified, or whose verification was of another file. */
export function readVerification(backup: string, manifest: Manifest): Verification | undefined {
  const verification = read(verificationOf(backup), verificationForm)
  return verification?.sha256 === manifest.sha256 ? verification : undefined
}

function read<T>(path: string, form: z.ZodType<T>): T | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  try {
    return form.parse(JSON.parse(text))
  } catch (cause) {
    throw new Error(`${path} is not what \`npm run backup\` writes, or was cut off`, { cause })
  }
}
