/** Background jobs: the queue that runs inside the process. */
export { EmbeddedJobs, type EmbeddedJobsOptions, type JobRun } from './embedded.ts';
