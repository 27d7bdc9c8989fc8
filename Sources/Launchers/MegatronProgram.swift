import Documents

/// The program that a launch script runs, as far as its name says what it trains.
enum MegatronProgram {
  /// The name under which it stands among a job's options.
  static let option = "program"

  /// What programs train whose names have these words.
  private static let others: [(words: Set<String>, what: String)] = [
    (["bert", "biencoder", "ict", "realm", "orqa"], "an encoder"),
    (["t5", "bart", "encdec", "seq2seq"], "an encoder and a decoder"),
    (["retro"], "a decoder with retrieval"),
    (
      ["vision", "vit", "dino", "inpaint", "swin", "image", "diffusion", "clip", "unet", "dit"],
      "a model of images"
    ),
    (["vlm", "vl", "multimodal", "llava", "neva", "omni"], "images beside text"),
    (["audio", "speech", "whisper", "asr"], "a model of speech"),
  ]

  /// Words in names of programs that train decoders.
  private static let decoders: Set<String> = [
    "gpt", "gpt3", "mamba", "hybrid", "llama", "llama2", "llama3", "qwen", "qwen1", "qwen2",
    "qwen3", "deepseek", "mixtral", "mistral", "moe", "mcore", "lm", "gemma", "nemotron",
  ]

  /// The place of the program in a command: the first file of Python that is no option's value.
  static func index(in words: [ShellScript.Word]) -> Int? {
    let alone: Set<String> = ["--standalone", "--no-python", "--no_python", "--use-env"]
    for (index, word) in words.enumerated() where word.text.hasSuffix(".py") {
      let before = index > 0 ? words[index - 1].text : ""
      if before.hasPrefix("--"), !before.contains("="), !alone.contains(before) { continue }
      return index
    }
    return nil
  }

  /// The program among the words of a command.
  static func option(in words: [ShellScript.Word], file: String) -> GivenOption? {
    index(in: words).map { index in
      GivenOption(
        name: option, spelling: option, values: [words[index].text], file: file,
        line: words[index].line)
    }
  }

  /// Refuses a program that trains another kind of model; says of an unknown one what it is taken for.
  static func check(_ given: GivenOptions) throws(ConfigurationError) {
    guard let path = given.option(option)?.text else { return }
    let name = path.split(separator: "/").last.map(String.init) ?? path
    let words = Set(
      name.lowercased().dropLast(3).split { !$0.isLetter && !$0.isNumber }.map(String.init))
    if let other = others.first(where: { !$0.words.isDisjoint(with: words) }) {
      throw given.error(
        option, "trains \(other.what) by its name: decoders of text alone are described")
    }
    let isKnown = !words.isDisjoint(with: decoders)
    given.explain(
      option, as: isKnown ? .costless : .unknown,
      isKnown
        ? "trains a decoder"
        : "no program that is known here: taken for one that trains a decoder")
  }
}
