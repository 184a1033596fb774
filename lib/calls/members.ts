// Members of objects of JavaScript's, as Python has them by name.
import { exportOf } from './importing.js'
import { isClass, kindOf } from './objects.js'
import { KIND } from './protocol.js'

/** What an object has by a name. */
export function memberOf(object: object, name: string): unknown {
  return kindOf(object) === KIND.module ? exportOf(object, name) : (object as Record<string, unknown>)[name]
}

/** The same as a value that stands alone, as Python gives it: a method that is called later is one of its object. */
export function detachedMemberOf(object: object, name: string): unknown {
  const member = memberOf(object, name)
  const isMethod = typeof member === 'function' && kindOf(object) !== KIND.module && !isClass(member)
  return isMethod ? (member.bind(object) as unknown) : member
}
