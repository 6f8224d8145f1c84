import { ageDecryption, ageEncryption } from './age.ts'
import { gpgDecryption, gpgEncryption } from './gpg.ts'
import { readIdentities, readRecipients } from './key-files.ts'

/** How a backup is encrypted: to public keys, so that the machine that makes backups cannot read them. */

export interface Encryption {
  by: 'age' | 'gpg'
  /** The public keys, for the manifest. */
  recipients: string[]
  /** What it takes is encrypted as it comes. @throws what the source throws, and what goes wrong in here */
  encrypt(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>
}

export interface Decryption {
  /** @throws when no key fits, and where the content was damaged or altered */
  decrypt(source: AsyncIterable<Uint8Array>): AsyncIterable<Uint8Array>
}

/**
 * @param recipients file of age's public keys
 * @param gpgRecipients keys that gpg knows
 * @throws unless exactly one of them is given
 */
export function chooseEncryption(
  recipients: string | undefined,
  gpgRecipients: string[] | undefined,
): Encryption {
  if ((recipients === undefined) === (gpgRecipients === undefined)) {
    throw new Error(
      'no recipients: a backup is never written unencrypted. Give --recipients FILE with public keys of age ' +
        '(`npm run backup -- keygen` makes a pair), or --gpg-recipient KEY; not both.',
    )
  }
  return recipients === undefined ? gpgEncryption(gpgRecipients!) : ageEncryption(readRecipients(recipients))
}

/**
 * @param by what the manifest says
 * @param identity file with age's secret keys, - for the standard input; gpg has its own
 */
export function chooseDecryption(by: Encryption['by'], identity: string | undefined): Decryption {
  if (by === 'gpg') {
    if (identity !== undefined)
      throw new Error('this backup is encrypted by gpg, which has the secret key itself: without --identity')
    return gpgDecryption()
  }
  if (identity === undefined)
    throw new Error('this backup is encrypted by age: --identity FILE must name the secret key')
  return ageDecryption(readIdentities(identity))
}
