// A process that reads the names of a file for one that cannot wait: see `names.ts`.
import { AmphisError } from '../base/errors.js'
import { namesOf, type NamesAnswer, PythonSyntaxError } from './names.js'

async function answer(file: string): Promise<NamesAnswer> {
  try {
    return { names: [...(await namesOf(file))] }
  } catch (error) {
    if (error instanceof PythonSyntaxError) return { syntax: { reason: error.reason, place: error.place } }
    if (error instanceof AmphisError) return { error: { code: error.code, message: error.message } }
    throw error
  }
}

process.stdout.write(JSON.stringify(await answer(process.argv[2] ?? '')))
