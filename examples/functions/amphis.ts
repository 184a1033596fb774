/** In a project of your own this is `export * from 'amphis'`; here it is the checkout that the example stands in. */
export * from '../../index.js'
