import { pymport } from 'pymport'
import { callPlainFunction } from './plain-call.js'

const hello = pymport('main').get('hello')

callPlainFunction(() => hello.call().toJS())
