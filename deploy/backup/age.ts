import { open } from 'node:fs/promises'
import { Decrypter, Encrypter, generateIdentity, identityToRecipient } from 'age-encryption'
import type { Decryption, Encryption } from './encryption.ts'

/** https://age-encryption.org, by the library of age's author: pieces of 64 KiB, each authenticated by itself. */

/** @param recipients public keys; whoever has the secret key of one of them can read it */
export function ageEncryption(recipients: string[]): Encryption {
  const encrypter = new Encrypter()
  for (const recipient of recipients) {
    try {
      encrypter.addRecipient(recipient)
    } catch (cause) {
      throw new Error(`${recipient} is no public key of age: is it cut off?`, { cause })
    }
  }
  return {
    by: 'age',
    recipients,
    async *encrypt(source) {
      yield* await encrypter.encrypt(ReadableStream.from(source))
    },
  }
}

/** @param identities secret keys, of which one must fit */
export function ageDecryption(identities: string[]): Decryption {
  const decrypter = new Decrypter()
  for (const identity of identities) {
    try {
      decrypter.addIdentity(identity)
    } catch {
      // Its message must not hold the key.
      throw new Error('a secret key of age is not whole: is it cut off?')
    }
  }
  return {
    async *decrypt(source) {
      try {
        yield* await decrypter.decrypt(ReadableStream.from(source))
      } catch (cause) {
        throw explained(cause as Error)
      }
    },
  }
}

function explained(cause: Error): Error {
  if (/no identity matched/i.test(cause.message))
    return new Error('the secret key does not fit: the backup is encrypted to others', { cause })
  return new Error(`it cannot be decrypted: it is damaged, cut off or was altered (${cause.message})`, {
    cause,
  })
}

/**
 * Makes a pair of keys, and a file of the secret one as age-keygen does.
 * @returns the public key
 * @throws when the file is there already
 */
export async function generateKeys(file: string): Promise<string> {
  const identity = await generateIdentity()
  const recipient = await identityToRecipient(identity)
  const handle = await open(file, 'wx', 0o600)
  try {
    await handle.writeFile(
      `# created: ${new Date().toISOString()}\n# public key: ${recipient}\n${identity}\n`,
    )
    await handle.sync()
  } finally {
    await handle.close()
  }
  return recipient
}
