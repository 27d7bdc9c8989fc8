import Documents

extension MegatronModel {
  /// Vocabularies that tokenizers are known by, as parts of their names.
  private static let known: [(part: String, size: Int)] = [
    ("nemotron_2_256k", 256_000), ("nemotron-256k", 256_000), ("nemotron-4", 256_000),
    ("deepseek-v3", 129_280), ("deepseek-r1", 129_280), ("deepseek-v2", 102_400),
    ("llama-2", 32_000), ("llama2", 32_000), ("llama-3", 128_256), ("llama3", 128_256),
    ("mixtral-8x22b-instruct", 32_768),
    ("mixtral", 32_000), ("mistral-7b-v0.3", 32_768), ("mistral-7b-instruct-v0.3", 32_768),
    ("mistral-7b", 32_000), ("qwen3", 151_936), ("qwen2", 151_936),
    ("gpt2", 50_257), ("kimi-k2", 163_840), ("gpt-oss", 201_088), ("multimixgpttiktoken", 131_072),
  ]

  /// Tokens that tokenizers of Pai-Megatron-Patch count as their own, without those that were added later.
  private static let patched: [String: Int] = [
    "qwen2tokenizer": 151_643, "qwen2vltokenizer": 151_643, "qwen3tokenizer": 151_643,
    "llama3tokenizer": 128_000, "llama2tokenizer": 32_000, "mixtraltokenizer": 32_000,
    "mistraltokenizer": 32_000,
  ]

  /// Rows of the embedding, padded as Megatron pads them.
  func vocabulary() throws(ConfigurationError) -> Int {
    if let padded = try given.integer("padded-vocab-size", in: 1...(1 << 24)) {
      given.explain("padded-vocab-size", "\(padded) tokens")
      given.explain("vocab-size", as: .costless, "the padded size is said")
      given.explain("make-vocab-size-divisible-by", as: .costless, "the padded size is said")
      given.explain("extra-vocab-size", as: .costless, "the padded size is said")
      explainTokenizer("the padded size is said")
      return padded
    }
    let size = try tokens()
    if let rows = try patchedRows(size) { return rows }
    if try given.flag("pad-vocab-size") == false {
      given.explain("pad-vocab-size", "the vocabulary is not padded")
      return size
    }
    given.explain("pad-vocab-size", "the vocabulary is padded")
    let divisor = try given.integer("make-vocab-size-divisible-by", in: 1...(1 << 20))
    let multiple = (divisor ?? 128) * tensor
    let padded = (size + multiple - 1) / multiple * multiple
    given.explain("make-vocab-size-divisible-by", "\(padded) rows of \(size) tokens")
    if divisor == nil {
      given.imply(
        "--make-vocab-size-divisible-by", "128",
        "\(size) tokens padded to \(padded), a multiple of 128 times the tensor group")
    }
    return padded
  }

  private func explainTokenizer(_ meaning: String) {
    given.explain(
      "tokenizer-type", "tokenizer-model", "patch-tokenizer-type", as: .costless, meaning)
  }

  /// Rows of Pai-Megatron-Patch: its tokenizers add `--extra-vocab-size` to their own tokens, and nothing pads the sum
  /// (a098ca5a, `megatron_patch/tokenizer/__init__.py`); nil where no rows are added.
  private func patchedRows(_ size: Int) throws(ConfigurationError) -> Int? {
    let name = "extra-vocab-size"
    let extra = try given.integer(name, in: 0...(1 << 20))
    guard settings.vocabulary == nil else {
      given.explain(name, as: .costless, "--vocab-size of the import is \(size)")
      return nil
    }
    guard let extra, extra > 0 || given.contains("patch-tokenizer-type") else {
      given.explain(name, as: .costless, "no rows are added")
      return nil
    }
    given.explain(name, "\(size + extra) rows: \(size) tokens and \(extra)")
    for name in ["make-vocab-size-divisible-by", "pad-vocab-size"] {
      given.explain(name, as: .costless, "rows with --extra-vocab-size are not padded further")
    }
    return size + extra
  }

  /// What an option says, nothing where it says so.
  private func word(of name: String) -> String {
    let text = given.option(name)?.text ?? ""
    return GivenOptions.isNothing(text) ? "" : text
  }

  private func tokens() throws(ConfigurationError) -> Int {
    let said = try given.integer("vocab-size", in: 1...(1 << 24))
    let patched = given.option("patch-tokenizer-type")?.text
    let kind = patched ?? word(of: "tokenizer-type")
    if let size = settings.vocabulary {
      given.explain("vocab-size", as: .costless, "--vocab-size of the import is \(size)")
      explainTokenizer("--vocab-size of the import is \(size)")
      return size
    }
    if let said {
      // The tokenizer without a vocabulary of its own adds one token that ends documents.
      let size = kind == "NullTokenizer" ? said + 1 : said
      given.explain("vocab-size", "\(size) tokens")
      explainTokenizer("the vocabulary's size is said")
      return size
    }
    let model = word(of: "tokenizer-model")
    let names = "\(kind) \(model)".lowercased()
    if let patched {
      guard let size = Self.patched[patched.lowercased()] else {
        throw given.error(
          "patch-tokenizer-type",
          "how many tokens it has is not in these files: give --vocab-size N, all rows")
      }
      given.explain("patch-tokenizer-type", "\(size) tokens of its own")
      explainTokenizer("--patch-tokenizer-type says the tokens")
      return size
    }
    if let found = Self.known.first(where: { names.contains($0.part) }) {
      given.explain(
        "tokenizer-type", "tokenizer-model",
        "\(found.size) tokens, as \(found.part) has; --vocab-size says otherwise")
      return found.size
    }
    // NeMo names the library, and then one tokenizer of it.
    let library = word(of: "tokenizer-library")
    let isOpen = kind.isEmpty && model.isEmpty && ["", "megatron"].contains(library)
    guard isOpen || kind.hasPrefix("GPT2BPE") else {
      let names = ["tokenizer-model", "tokenizer-type", "tokenizer-library"]
      throw given.error(
        names.first { !word(of: $0).isEmpty } ?? "tokenizer-type",
        "how many tokens it has is not in these files: give --vocab-size N")
    }
    given.explain("tokenizer-type", "tokenizer-model", "GPT-2's 50,257 tokens")
    if kind.isEmpty {
      given.imply("--vocab-size", "50257", "GPT-2's tokens; --vocab-size says otherwise")
    }
    return 50_257
  }
}
