// The editor's side of `yore dap`: it starts the adapter, and has commands for the
// requests that the Debug Adapter Protocol lacks. They are described in
// debugger/dap/REQUESTS.md.
const vscode = require('vscode');

function activate(context) {
  const settings = () => vscode.workspace.getConfiguration('yore');

  context.subscriptions.push(vscode.debug.registerDebugAdapterDescriptorFactory('yore', {
    createDebugAdapterDescriptor() {
      const args = ['dap'];
      if (settings().get('log')) {
        args.push('--log', settings().get('log'));
      }
      return new vscode.DebugAdapterExecutable(settings().get('path') || 'yore', args);
    },
  }));

  // command registers a command that acts on the yore session under way.
  function command(name, act) {
    context.subscriptions.push(vscode.commands.registerCommand('yore.' + name, async () => {
      const session = vscode.debug.activeDebugSession;
      if (!session || session.type !== 'yore') {
        vscode.window.showInformationMessage('There is no yore session.');
        return;
      }
      try {
        await act(session);
      } catch (e) {
        vscode.window.showErrorMessage('yore: ' + (e.message || e));
      }
    }));
  }

  // Which thread and frame the person looks at; older editors do not say.
  const selected = () => vscode.debug.activeStackItem || {};
  const motion = (request) => (session) => session.customRequest(request, { threadId: selected().threadId || 0 });

  command('reverseStepIn', motion('yore.reverseStepIn'));
  command('reverseStepOut', motion('yore.reverseStepOut'));
  command('undo', (session) => session.customRequest('yore.undo', {}));
  command('redo', (session) => session.customRequest('yore.redo', {}));

  command('reverseWatch', async (session) => {
    const editor = vscode.window.activeTextEditor;
    let value = '';
    if (editor) {
      const range = editor.selection.isEmpty ? editor.document.getWordRangeAtPosition(editor.selection.active) : editor.selection;
      value = range ? editor.document.getText(range) : '';
    }
    const expression = await vscode.window.showInputBox({ prompt: 'Go back to the statement that gave this expression its value', value });
    if (!expression) {
      return;
    }
    const change = await session.customRequest('yore.reverseWatch', { expression, frameId: selected().frameId || 0 });
    const note = change.guarantee === 'latest' ? '' : ` (${change.guarantee}: ${change.reason})`;
    vscode.window.showInformationMessage(`${change.expression}: ${change.before} → ${change.after}${note}`);
  });

  command('goto', async (session) => {
    const { landmarks } = await session.customRequest('yore.timeline', {});
    const named = landmarks.filter((l) => l.name).map((l) => ({ label: l.name, description: `${l.kind}, ${l.seconds.toFixed(3)} s ${l.text || ''}` }));
    const items = [{ label: 'start' }, { label: 'end' }, ...named, { label: 'another place…' }];
    const picked = await vscode.window.showQuickPick(items, { placeHolder: 'Where to?' });
    let place = picked && picked.label;
    if (place === 'another place…') {
      place = await vscode.window.showInputBox({ prompt: 'A position as `when` prints it, a part such as 37%, a time such as 12.5s' });
    }
    if (place) {
      await session.customRequest('yore.goto', { place });
    }
  });

  command('bookmark', async (session) => {
    const name = await vscode.window.showInputBox({ prompt: 'A name for this point of history' });
    if (name) {
      const { text } = await session.customRequest('yore.bookmark', { name });
      vscode.window.showInformationMessage(text);
    }
  });

  command('timeline', async (session) => {
    const t = await session.customRequest('yore.timeline', {});
    const ended = t.ended ? `; ${t.ended}` : '';
    vscode.window.showInformationMessage(`${t.position}: ${t.seconds.toFixed(3)} s of ${t.allSeconds.toFixed(3)} s (${(100 * t.part).toFixed(1)}%), event ${t.event} of ${t.events}${ended}`);
  });
}

module.exports = { activate, deactivate() {} };
