import { addon } from './addon.mjs'
import { engine, ownTarget } from './engine.mjs'
import { enableGitHooks } from './git-hooks.mjs'
import { nodeProblem, platformProblem } from './machine.mjs'
import { hostPackages, nodePackages } from './node-packages.mjs'
import { demoRequirements, inRoot, testRequirements } from './paths.mjs'
import { Problems } from './problem.mjs'
import { pythonPackages } from './python-packages.mjs'
import { pythonSources } from './python-sources.mjs'
import { dim, duration, heading, say } from './say.mjs'
import { typescript } from './typescript.mjs'

/**
 * A part of the set-up that knows whether it is still to be done.
 *
 * @typedef {object} Step
 * @property {string} title shown when the step runs
 * @property {() => boolean} isDone fast, starts no process
 * @property {() => Promise<import('./problem.mjs').Problem[]>} problems what the machine lacks for this step
 * @property {() => Promise<void>} run
 */

/**
 * Runs the steps that are not done, after all of them have been checked: what is missing on the machine shows at once
 * and together, not after minutes of building.
 *
 * @param {Step[]} steps
 */
export async function complete(steps) {
  const problem = platformProblem() ?? nodeProblem()
  if (problem) throw problem
  const found = await Promise.all(steps.filter((step) => !step.isDone()).map((step) => step.problems()))
  if (found.flat().length > 0) throw new Problems(found.flat())
  for (const step of steps) {
    // Asked again: a step may depend on what the one before it has just made.
    if (step.isDone()) continue
    const began = performance.now()
    heading(step.title)
    await step.run()
    say(dim(`  done in ${duration(performance.now() - began)}`))
  }
}

export const venv = inRoot('.venv')

/** What it takes to run the demo. */
export async function setUpDemo() {
  await complete([
    nodePackages,
    addon('release'),
    engine(ownTarget),
    typescript,
    pythonPackages(venv, demoRequirements),
  ])
}

/**
 * What it takes to work on amphis.
 *
 * @param {import('./addon.mjs').Profile} [profile] default: `release`, which the demo and the tests share
 */
export async function setUp(profile = 'release') {
  await complete([
    nodePackages,
    ...hostPackages,
    addon(profile),
    engine(ownTarget),
    typescript,
    pythonPackages(venv, testRequirements),
    pythonSources(venv),
  ])
  await enableGitHooks()
}

/** @param {import('./addon.mjs').Profile} profile */
export async function build(profile) {
  await complete([nodePackages, addon(profile), engine(ownTarget), typescript])
}
