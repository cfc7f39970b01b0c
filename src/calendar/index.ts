/** Calendars: the instants of intervals and of cron expressions by the clock of a zone. */
export { Calendar, keepFor, type Fault, type Outlook, type Timed } from './occurrences.ts';
