import { pipeline } from 'node:stream/promises'
import type { Decryption, Encryption } from './encryption.ts'
import { startProgram } from './program.ts'

/** OpenPGP, by the program gpg, where keys are kept and trusted by it already. */

/** Who names a key by its fingerprint has looked at it: gpg's own marks of trust may be missing in a job. */
const TRUSTED = ['--trust-model', 'always', '--compress-algo', 'none']

/** @param recipients keys as gpg names them: fingerprints, best of all */
export const gpgEncryption = (recipients: string[]): Encryption => ({
  by: 'gpg',
  recipients,
  encrypt: (source) =>
    through(source, ['--encrypt', ...TRUSTED, ...recipients.flatMap((key) => ['--recipient', key])]),
})

/** By whatever secret key gpg has; its agent asks for a passphrase, where there is one. */
export const gpgDecryption = (): Decryption => ({ decrypt: (source) => through(source, ['--decrypt']) })

async function* through(source: AsyncIterable<Uint8Array>, args: string[]): AsyncGenerator<Uint8Array> {
  const gpg = startProgram('gpg', ['--batch', '--no-tty', '--quiet', ...args])
  // What the source throws is the cause, and gpg's complaint of it only what follows.
  const fed = pipeline(source, gpg.stdin).then(
    () => undefined,
    (error: NodeJS.ErrnoException) => (error.code === 'EPIPE' ? undefined : error),
  )
  try {
    for await (const chunk of gpg.stdout) yield chunk as Uint8Array
    const failed = await fed
    if (failed !== undefined) throw failed
    await gpg.ended
  } finally {
    await gpg.stop()
  }
}
