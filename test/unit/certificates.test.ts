import assert from 'node:assert/strict'
import { mkdtempSync, readFileSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { test } from 'node:test'
import { Registry } from 'prom-client'
import { certificateFiles, observeCertificates } from '../../schemas/certificates.ts'
import { selfSigned, withoutOpenssl } from '../support/certificates.ts'

const NAME = 'weir_certificate_expiry_timestamp_seconds'

test('the files are those that settings and the URL of the database name', () => {
  const files = certificateFiles({
    TLS_CERT_FILE: '/c',
    TLS_KEY_FILE: '/k',
    KAFKA_SSL_CA_FILE: '/ca',
    PORT: 8000,
    DATABASE_URL: 'postgres://h/d?sslmode=verify-full&sslrootcert=/root.pem',
  })
  assert.deepEqual(
    [...files],
    [
      ['TLS_CERT_FILE', '/c'],
      ['KAFKA_SSL_CA_FILE', '/ca'],
      ['sslrootcert', '/root.pem'],
    ],
  )
})

const needs = { skip: withoutOpenssl }

test('the metric has the first expiry of a file, and follows the file', needs, async (t) => {
  const directory = mkdtempSync(join(tmpdir(), 'weir-certificates-'))
  t.after(() => rmSync(directory, { recursive: true }))
  const make = (days: number): string => {
    const cert = join(directory, `${days}.pem`)
    selfSigned({ cert, key: join(directory, 'key') }, { name: 'weir', days })
    return readFileSync(cert, 'utf8')
  }
  const [soon, later] = [make(5), make(50)]
  const bundle = join(directory, 'bundle.pem')
  const registry = new Registry()
  observeCertificates(registry, { TLS_CERT_FILE: bundle, KAFKA_SSL_CA_FILE: join(directory, 'missing') })
  const days = async () => {
    const { values } = await registry.getSingleMetric(NAME)!.get()
    return values.map(({ labels, value }) => [
      labels.setting,
      Math.round((value - Date.now() / 1000) / 86_400),
    ])
  }
  assert.deepEqual(await days(), [], 'a file that is not there yet')
  writeFileSync(bundle, later + soon)
  assert.deepEqual(await days(), [['TLS_CERT_FILE', 5]])
  writeFileSync(bundle, later)
  utimesSync(bundle, new Date(), new Date(Date.now() + 5000))
  assert.deepEqual(await days(), [['TLS_CERT_FILE', 50]])
})
