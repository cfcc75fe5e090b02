using from './db/schema';
using from './srv/cockpit-service';
