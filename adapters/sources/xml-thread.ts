import { parentPort } from 'node:worker_threads'
import { readXml, type XmlWork } from './xml-reading.ts'

// The script of the thread that reads long documents.

parentPort?.on('message', (work: XmlWork) => parentPort?.postMessage(readXml(work)))
