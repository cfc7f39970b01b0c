/** Background jobs: the queue that runs inside the process. The one for several processes is loaded where it is wanted. */
export { EmbeddedJobs, type EmbeddedJobsOptions, type JobRun } from './embedded.ts';
export type { JobQueue, JobsStatus } from './port.ts';
