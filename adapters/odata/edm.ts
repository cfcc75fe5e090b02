import { SluiceError } from '#domain/errors'

/**
 * Types whose literals differ from what a JSON value shows: a text may be a Guid or a moment.
 * https://www.odata.org/documentation/odata-version-2-0/overview/#AbstractTypeSystem
 */
export type EdmType =
  | 'Edm.String'
  | 'Edm.Guid'
  | 'Edm.DateTime'
  | 'Edm.DateTimeOffset'
  | 'Edm.Date'
  | 'Edm.Time'
  | 'Edm.TimeOfDay'
  | 'Edm.Decimal'
  | 'Edm.Double'
  | 'Edm.Int64'

/** Literals without quotes must not be a way into the filter: what does not look like its type is refused. */
const FORMS: Partial<Record<EdmType, RegExp>> = {
  'Edm.Guid': /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i,
  'Edm.DateTime': /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}(:\d{2}(\.\d{1,12})?)?$/,
  'Edm.DateTimeOffset': /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}:\d{2}(\.\d{1,12})?(Z|[+-]\d{2}:\d{2})$/,
  'Edm.Date': /^\d{4}-\d{2}-\d{2}$/,
  'Edm.Time': /^P[\dDTHMS.]+$/,
  'Edm.TimeOfDay': /^\d{2}:\d{2}(:\d{2}(\.\d{1,12})?)?$/,
  'Edm.Decimal': /^-?\d+(\.\d+)?$/,
  'Edm.Double': /^-?\d+(\.\d+)?(e[+-]?\d+)?$/i,
  'Edm.Int64': /^-?\d+$/,
}

export const isGuid = (text: string): boolean => FORMS['Edm.Guid']?.test(text) ?? false

/** @throws SluiceError `invalid-value` where a value has not the form of its type. */
export function checked(value: string | number | boolean, type: EdmType): string {
  const text = type === 'Edm.DateTime' ? String(value).replace(/Z$/, '') : String(value)
  if (FORMS[type]?.test(text) === false) {
    throw new SluiceError('invalid-value', `A value is no ${type}.`, {
      retry: 'never',
      remedy: 'Correct the mapping, or the type of the element under `entities.<name>.types` of the target.',
    })
  }
  return text
}

/** A string literal: quotes are doubled, and nothing else has a meaning inside. */
export const quoted = (text: string): string => `'${text.replaceAll("'", "''")}'`
