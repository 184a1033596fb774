import { pymport } from 'pymport'
import { timed } from './call-timing.js'
import { obey } from './listen.js'

const same = pymport('functions').get('same')

const ways = {
  call: (order) => timed((value) => same.call(value).toJS(), order),
  callAsync: (order) => timed(async (value) => (await same.callAsync(value)).toJS(), order),
}

obey({ measure: (order) => ways[order.what](order) })
