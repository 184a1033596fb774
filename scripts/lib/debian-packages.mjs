// Programs that tests need and a machine may lack: installed from Debian's packages by root, or by whom sudo asks for no
// password. No service of theirs is started.
import { accessSync, constants, existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { isDebianLike } from './machine.mjs'
import { fetchProblem } from './network.mjs'
import { Problem } from './problem.mjs'
import { run } from './run.mjs'

/** Asked by the scripts of packages, before they start what they have installed. */
const policy = '/usr/sbin/policy-rc.d'

/** Where a program is, those for root included. @param {string} name @returns {string | undefined} */
export function findProgram(name) {
  const folders = [...(process.env.PATH ?? '').split(delimiter), '/usr/sbin', '/sbin']
  return folders.map((folder) => join(folder, name)).find(isExecutable)
}

/** @param {string} path */
function isExecutable(path) {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

/**
 * A program's path; its packages are installed where it is missing.
 *
 * @param {string} name
 * @param {string[]} packages
 * @returns {Promise<string>} it throws a `Problem` where the program cannot be had
 */
export async function programOf(name, packages) {
  if (!findProgram(name)) await installPackages(packages)
  const path = findProgram(name)
  if (!path) throw new Problem(`${name} is missing`, `install it: apt install ${packages.join(' ')}`)
  return path
}

/**
 * @param {string[]} packages
 * @returns {Promise<void>} it throws a `Problem` where they cannot be installed
 */
export async function installPackages(packages) {
  const command = `apt install ${packages.join(' ')}`
  if (!isDebianLike()) throw new Problem(`${packages.join(', ')}: missing`, 'install what has them on your system')
  const sudo = process.getuid?.() === 0 ? [] : ['sudo', '-n']
  /** @param {string[]} words */
  const asRoot = (...words) => {
    const [program = '', ...args] = [...sudo, ...words]
    return run(program, args, { quiet: true })
  }
  const may = await asRoot('true')
  if (may.code !== 0) throw new Problem(`${packages.join(', ')}: missing`, `run \`sudo ${command}\``)
  const own = !existsSync(policy)
  if (own) await asRoot('sh', '-c', `printf '#!/bin/sh\\nexit 101\\n' >${policy}; chmod 755 ${policy}`)
  try {
    const patient = ['-o', 'DPkg::Lock::Timeout=120', '--quiet']
    await asRoot('apt-get', 'update', ...patient)
    const install = ['apt-get', 'install', ...patient, '--yes', '--no-install-recommends', ...packages]
    const { code, output } = await asRoot('env', 'DEBIAN_FRONTEND=noninteractive', ...install)
    if (code !== 0) throw fetchProblem(command, output)
  } finally {
    if (own) await asRoot('rm', '-f', policy)
  }
}
