/** Users without passwords, as CAP mocks them: who may look, who may act, and who is known and may nothing. */
export const MOCKED_AUTH = {
  kind: 'mocked',
  users: {
    viewer: { roles: ['SluiceViewer'] },
    operator: { roles: ['SluiceViewer', 'SluiceOperator'] },
    nobody: {},
    '*': false,
  },
} as const
