import { PythonHandler } from 'amphis'

export const python = new PythonHandler('main:app')
