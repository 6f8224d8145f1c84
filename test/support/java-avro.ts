import { execFile } from 'node:child_process'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { findPrograms } from '../../deploy/local/download.ts'
import { findJava } from '../../deploy/local/java.ts'
import { cacheDirectory } from '../../schemas/cache-directory.ts'
import { loadSettings } from '../../schemas/settings.ts'

const program = fileURLToPath(new URL('./AvroTransactions.java', import.meta.url))
const schema = fileURLToPath(new URL('../../schemas/avro/transaction.avsc', import.meta.url))

/**
 * Runs Avro's own Java implementation, which the local schema registry brings along, over lines of text.
 * @param way `encode`: JSON to base64 of the Avro value; `decode`: the other way round
 * @throws when there is no Java compiler, or no registry in the cache
 */
export async function javaAvro(way: 'encode' | 'decode', lines: string[]): Promise<string[]> {
  const java = await findJava()
  if ('missing' in java) throw new Error(java.missing)
  const programs = findPrograms(cacheDirectory(loadSettings().WEIR_CACHE_DIR))
  if (programs === null)
    throw new Error('the local servers are not downloaded yet: run `npm run servers` once')
  const jars = join(dirname(programs.registryJar), 'lib', '*')
  const output = Promise.withResolvers<string>()
  const args = ['-XX:TieredStopAtLevel=1', '-cp', jars, program, way, schema]
  const child = execFile(java.command, args, { maxBuffer: 64 * 1024 * 1024 }, (error, stdout, stderr) => {
    if (error === null) output.resolve(stdout)
    else output.reject(new Error(explain(stderr), { cause: error }))
  })
  child.stdin!.on('error', () => {}) // a program that failed to start is told by its output
  child.stdin!.end(lines.join('\n'))
  return (await output.promise).trimEnd().split('\n')
}

function explain(stderr: string): string {
  if (!/jdk\.compiler|compiler/i.test(stderr)) return stderr
  return `this test compiles a Java file, which takes a JDK (Debian, Ubuntu: apt install openjdk-17-jdk-headless): ${stderr}`
}
