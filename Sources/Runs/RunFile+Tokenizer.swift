import Documents
import Foundation
import Tokens

extension RunFile {
  /// Who says by which tokenizer the run's data are encoded.
  package func tokenizerChoice() throws(ConfigurationError) -> TokenizerChoice {
    try TokenizerChoice(
      given: data.tokenizer, key: policy == nil ? "data.tokenizer" : "grpo.tokenizer", in: file,
      folder: modelFolder)
  }

  /// The tokenizer of the run's training data; texts are bytes unless told otherwise.
  package func tokenizer(by choice: TokenizerChoice) throws(ConfigurationError) -> NamedTokenizer? {
    try choice.tokenizer(of: data.training[0], form: data.form, fallback: .bytes)
  }

  /// What ends completions: as the tokenizer, what lies beside it and the model's description say.
  package func completionEnds(
    by tokenizer: Tokenizer
  ) throws(ConfigurationError) -> CompletionEnds {
    CompletionEnds(
      of: tokenizer,
      declared: try CompletionEnds.declared(by: model.configuration, inFolder: modelFolder),
      vocabulary: model.architecture.vocabularySize)
  }

  /// What people should know of how data are read where the run file does not say it.
  package func notices(on tokenizer: NamedTokenizer?) -> [String] {
    guard data.tokenizer == nil else { return [] }
    let path = data.training[0]
    guard let tokenizer else {
      return [
        "\(path) does not say its tokenizer: checkpoints carry none (data.tokenizer names one)"
      ]
    }
    let form = data.form.resolved(for: path)
    return form == .text && tokenizer.name != NamedTokenizer.bytes.name
      ? ["\(path) is encoded by \(tokenizer.name), the model's own"] : []
  }

  /// The folder in Hugging Face's layout that the model's weights or its description are from.
  package var modelFolder: String? {
    if let checkpoint = model.checkpoint { return checkpoint }
    guard let file = model.file, file.hasSuffix("/config.json") else { return nil }
    return String(file.dropLast("/config.json".count))
  }
}
