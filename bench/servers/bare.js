import { floor } from './floor.js'
import { listen } from './listen.js'

listen(floor)
