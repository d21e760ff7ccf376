/** The version of Stillframe, and of CRIU whose command line and images it speaks. `package.json` is the source; a test compares. */
export const STILLFRAME_VERSION = '0.1.0';
/** What `criu --version` says: engines decide by it which options they may use. */
export const CRIU_VERSION = '4.2';
