// The page is complete without this. Here it is kept true, and acted from.
import {live} from './live.js';
import {act} from './act.js';
import {log} from './log.js';

const page = live(document.body.dataset);
act(page.now);
log(page);
