// The cockpit service and the stored nouns.
using from 'cap-sluice';
