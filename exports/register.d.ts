// A file of Python that has no declarations of its own (`amphis types` writes them) exports whatever is asked of it.
declare module '*.py'
