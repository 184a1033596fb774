import { existsSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { CommandError, runCommand } from './run-command.js'
import { bench, venv } from './paths.js'

/** An interpreter as it describes itself. */
export interface Interpreter {
  readonly executable: string
  readonly version: string
  readonly basePrefix: string
  /** The shared library, or undefined where the build has none. */
  readonly libpython: string | undefined
}

/** The virtual environment that uvicorn, granian, amphis and the cold starts share. */
export interface Python extends Interpreter {
  readonly root: string
  /** Installed distributions: name in lower case to version. */
  readonly packages: Readonly<Record<string, string>>
}

const describeScript = `
import json, os, platform, sys, sysconfig
names = [sysconfig.get_config_var(v) or "" for v in ("INSTSONAME", "LDLIBRARY")]
folders = [sysconfig.get_config_var("LIBDIR") or "", os.path.join(sysconfig.get_config_var("LIBDIR") or "", sysconfig.get_config_var("MULTIARCH") or "")]
found = [os.path.join(f, n) for f in folders for n in names if n and not n.endswith(".a") and os.path.isfile(os.path.join(f, n))]
print(json.dumps({"executable": sys.executable, "version": platform.python_version(), "basePrefix": sys.base_prefix, "libpython": found[0] if found else None}))
`

const packagesScript = `
import importlib.metadata, json
print(json.dumps({d.metadata["Name"].lower(): d.version for d in importlib.metadata.distributions()}))
`

export async function describeInterpreter(command: string): Promise<Interpreter> {
  const { stdout } = await runCommand([command, '-c', describeScript])
  const told = JSON.parse(stdout) as Omit<Interpreter, 'libpython'> & { libpython: string | null }
  return { ...told, libpython: told.libpython ?? undefined }
}

/**
 * Makes `.venvs/bench` hold exactly requirements.txt on the wanted interpreter; does nothing when it already does.
 * A package that cannot be installed is reported and left out: its contestants then show as missing.
 */
export async function preparePython(wanted: string | undefined, say: (line: string) => void): Promise<Python> {
  const base = await describeInterpreter(wanted ?? 'python3')
  const requirements = await readFile(join(bench, 'requirements.txt'), 'utf8')
  const stampFile = join(venv, 'bench-stamp')
  const stamp = createHash('sha256').update(`${base.version}\n${base.basePrefix}\n${requirements}`).digest('hex')
  const executable = join(venv, 'bin', 'python')
  if (!existsSync(executable) || (await readFile(stampFile, 'utf8').catch(() => '')) !== stamp) {
    say(`setting up .venvs/bench (Python ${base.version}): ${requirements.trim().split('\n').join(', ')}`)
    await rm(venv, { recursive: true, force: true })
    await runCommand([base.executable, '-m', 'venv', venv])
    if (await install(executable, requirements, say)) {
      await writeFile(stampFile, stamp)
    }
  }
  const { stdout } = await runCommand([executable, '-c', packagesScript])
  return { ...(await describeInterpreter(executable)), root: venv, packages: JSON.parse(stdout) as Python['packages'] }
}

async function install(python: string, requirements: string, say: (line: string) => void): Promise<boolean> {
  const pip = [python, '-m', 'pip', 'install', '--quiet', '--disable-pip-version-check'] as const
  try {
    await runCommand([...pip, '-r', join(bench, 'requirements.txt')])
    return true
  } catch (error) {
    if (!(error instanceof CommandError)) {
      throw error
    }
  }
  // One that has no wheel for this machine must not take the others with it.
  let complete = true
  for (const requirement of requirements.split('\n').filter((line) => line.trim() !== '')) {
    await runCommand([...pip, requirement]).catch((error: unknown) => {
      complete = false
      say(`not installed: ${requirement}: ${String(error)}`)
    })
  }
  return complete
}
