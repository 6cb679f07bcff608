/** This build's version; a tidy check holds it to package.json. */
export const VERSION = "0.1.0";
