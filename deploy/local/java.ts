import { execFile } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Kafka 4 and the registry run on Java 17 and later. */
const MINIMUM = 17

/** What is needed to run a command, or what is missing and how to get it. */
export type Found = { command: string } | { missing: string }

/** Java 17 or later: JAVA_HOME's, else the first on the PATH. */
export async function findJava(): Promise<Found> {
  const home = process.env.JAVA_HOME
  const command = (home && executable(join(home, 'bin', 'java'))) || onPath('java')
  const get = `install a Java runtime ${MINIMUM} or later (Debian, Ubuntu: apt install openjdk-17-jre-headless; macOS: brew install openjdk@17; else https://adoptium.net)`
  if (command === null)
    return { missing: `Java is not installed (no \`java\` in JAVA_HOME or on the PATH): ${get}` }
  const text = await output(command, ['-version'])
  const version = /version "(?:1\.)?(\d+)/.exec(text)?.[1]
  // macOS has a java that only says that there is none.
  if (version === undefined) return { missing: `\`${command} -version\` does not tell a version: ${get}` }
  if (Number(version) < MINIMUM) return { missing: `${command} is Java ${version}, which is too old: ${get}` }
  return { command }
}

/** Maven, which is needed for the first download only. */
export function findMaven(): Found {
  const command = onPath('mvn')
  if (command !== null) return { command }
  return {
    missing:
      'Maven is not installed (no `mvn` on the PATH; it is needed once, to download them): install it ' +
      '(Debian, Ubuntu: apt install maven; macOS: brew install maven; else https://maven.apache.org)',
  }
}

function onPath(name: string): string | null {
  for (const directory of (process.env.PATH ?? '').split(delimiter)) {
    const file = directory === '' ? null : executable(join(directory, name))
    if (file !== null) return file
  }
  return null
}

function executable(file: string): string | null {
  try {
    accessSync(file, constants.X_OK)
    return file
  } catch {
    return null
  }
}

const output = (command: string, args: string[]): Promise<string> =>
  new Promise((done) => execFile(command, args, (_, stdout, stderr) => done(stdout + stderr)))

/** Nothing but what Java itself needs: the registry would read its own settings from stray variables. */
export function javaEnvironment(): Record<string, string> {
  const { PATH = '', HOME = '', JAVA_HOME, JAVA_TOOL_OPTIONS } = process.env
  return {
    PATH,
    HOME,
    LC_ALL: 'C.UTF-8',
    ...(JAVA_HOME && { JAVA_HOME }),
    ...(JAVA_TOOL_OPTIONS && { JAVA_TOOL_OPTIONS }),
  }
}
