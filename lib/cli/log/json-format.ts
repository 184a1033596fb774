import { inspect } from 'node:util'
import { AmphisError, PythonError } from '../../base/errors.js'
import { formatIsoTime } from '../text/clock.js'
import { originOf } from './error-origins.js'
import type { Fields, Level, LogFormat } from './format.js'

/** The log for machines; docs/logging.md lists the keys. */
export class JsonFormat implements LogFormat {
  message(level: Level, msg: string, fields: Fields): string {
    return toJson({ time: formatIsoTime(Date.now()), level, msg, ...fields })
  }

  error(level: Level, words: string, error: Error): string {
    const said = sayingOf(error)
    return this.message(level, words === '' ? said : `${words} ${said}`, fieldsOf(error))
  }

  remark(level: Level, msg: string): string {
    return this.message(level, msg, {})
  }

  failure(error: unknown): string {
    return error instanceof Error
      ? this.message('error', sayingOf(error), fieldsOf(error))
      : this.remark('error', inspect(error))
  }
}

// Allowed in JSON, but terminals take them for orders, or for the end of a line.
const UNSAFE = /[\x7f-\x9f\u2028\u2029]/
const ALL_UNSAFE = /[\x7f-\x9f\u2028\u2029]/g

/** JSON on one line, of what terminals can be shown. */
export function toJson(value: Fields): string {
  return toShowable(JSON.stringify(value))
}

/** The same of JSON that is made already. */
export function toShowable(json: string): string {
  return UNSAFE.test(json)
    ? json.replace(ALL_UNSAFE, (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`)
    : json
}

/** The exception in a line; its traceback is a field. */
function sayingOf(error: Error): string {
  if (error instanceof PythonError && error.code === 'AMPHIS_ERR_PYTHON') {
    return error.message === '' ? error.type : `${error.type}: ${error.message}`
  }
  return error.message
}

function fieldsOf(error: Error): Fields {
  const origin = originOf(error)
  return {
    code: (error as NodeJS.ErrnoException).code,
    ...(error instanceof PythonError
      ? { type: error.type, traceback: error.traceback }
      : { stack: error instanceof AmphisError ? undefined : error.stack }),
    ...(origin !== undefined && { method: origin.method, path: origin.url }),
  }
}
