import { existsSync, readFileSync } from 'node:fs'
import { inRoot } from './paths.mjs'
import { Problem } from './problem.mjs'
import { run } from './run.mjs'

/** @param {string} version */
const numbers = (version) => version.split('.').map(Number)

/**
 * @param {string} version
 * @param {string} minimum
 */
export function isAtLeast(version, minimum) {
  const [have, want] = [numbers(version), numbers(minimum)]
  for (let i = 0; i < want.length; i++) {
    const difference = (have[i] ?? 0) - (want[i] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return true
}

/** True on Debian and what descends from it, where Python comes in several packages. */
export function isDebianLike() {
  return existsSync('/etc/debian_version')
}

/** @returns {Problem | undefined} */
export function platformProblem() {
  if (process.platform !== 'win32') return undefined
  return new Problem('amphis runs on macOS and Linux, not on Windows itself', 'use the Windows Subsystem for Linux')
}

/** The Node versions of package.json's `engines`: an ESM package that CommonJS can still require. */
export function nodeProblem() {
  const version = process.versions.node
  const [major = 0] = numbers(version)
  if (isAtLeast(version, '22.12.0') || (major === 20 && isAtLeast(version, '20.19.0'))) return undefined
  return new Problem(`Node.js ${version} is too old`, 'install Node.js 20.19, 22.12 or newer')
}

/** The oldest Rust that Cargo.toml promises to build with. */
function oldestRust() {
  return /^rust-version = "(.*)"$/m.exec(readFileSync(inRoot('Cargo.toml'), 'utf8'))?.[1] ?? '1.0'
}

/** @returns {Promise<Problem | undefined>} */
export async function rustProblem() {
  const { code, output } = await run('cargo', ['--version'], { quiet: true })
  if (code === 127) {
    return new Problem(
      'Rust is missing (no `cargo` on PATH)',
      'install stable Rust from https://rustup.rs and open a new terminal',
    )
  }
  const version = /^cargo (\d+\.\d+\.\d+)/m.exec(output)?.[1]
  if (code !== 0 || !version) {
    return new Problem(
      `\`cargo --version\` failed (${output.trim().split('\n').pop()})`,
      'repair the toolchain with `rustup toolchain install stable`',
    )
  }
  if (!isAtLeast(version, oldestRust())) {
    return new Problem(
      `Rust ${version} is too old (${oldestRust()} is the oldest that builds amphis)`,
      'run `rustup update stable`',
    )
  }
  return undefined
}

/** @returns {Promise<Problem | undefined>} */
export async function linkerProblem() {
  const { code } = await run('cc', ['--version'], { quiet: true })
  if (code === 0) return undefined
  const remedy =
    process.platform === 'darwin'
      ? 'run `xcode-select --install`'
      : isDebianLike()
        ? 'run `sudo apt install build-essential`'
        : 'install gcc or clang with your package manager'
  return new Problem('a C linker is missing (`cc` does not run), which Rust needs', remedy)
}
