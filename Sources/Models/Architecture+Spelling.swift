import Foundation
import Quantities

extension Architecture {
  /// The name of the model that ships under a name as people write it; nil if none does.
  ///
  /// `meta-llama/Llama-3.1-70B-Instruct`, `Llama3.1 70b` and `llama-3.1-70b` are one model: owners,
  /// capitals, separators and what a checkpoint was tuned for say nothing about shapes. A file of the
  /// name goes first.
  static func shippedName(near text: String) -> String? {
    if shippedNames.contains(text) { return text }
    guard !text.hasSuffix(".json"), !FileManager.default.fileExists(atPath: text) else {
      return nil
    }
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 1 || isRepository(text), let last = parts.last else { return nil }
    for spelling in spellings(of: String(last)) {
      if let name = shippedNames.first(where: { plain($0) == spelling }) { return name }
      if let name = otherNames[spelling] { return name }
    }
    return nil
  }

  /// Whether a text has the form of a repository's name: `owner/model`.
  static func isRepository(_ text: String) -> Bool {
    let parts = text.split(separator: "/", omittingEmptySubsequences: false)
    guard parts.count == 2, !text.hasSuffix(".json") else { return false }
    return parts.allSatisfy { part in
      guard let first = part.utf8.first else { return false }
      return first != UInt8(ascii: ".") && first != UInt8(ascii: "~")
        && part.utf8.allSatisfy { $0 > 0x20 && $0 < 0x7f }
    }
  }

  /// The models that ship and are spelled most like the last part of a repository's name, as a phrase.
  static func nearestShippedName(to repository: String) -> String? {
    let last = repository.split(separator: "/").last.map(String.init) ?? repository
    return nearestName(to: last.lowercased(), among: shippedNames) ?? sharingWords(with: last)
  }

  /// The model whose name has the most words of another, the first among them; the shortest of several.
  private static func sharingWords(with name: String) -> String? {
    func words(_ text: String) -> [String] {
      text.lowercased().split { "-_ ".contains($0) }.map(String.init)
    }
    let own = words(name)
    let shared = shippedNames.compactMap { other -> (name: String, count: Int)? in
      let others = words(other)
      guard let first = own.first, others.first == first else { return nil }
      return (other, others.count(where: own.contains))
    }
    let most = shared.map(\.count).max()
    return shared.filter { $0.count == most }.map(\.name).min {
      ($0.count, $0) < ($1.count, $1)
    }
  }

  /// A name without capitals and separators.
  private static func plain(_ name: String) -> String {
    String(name.lowercased().filter { $0.isLetter || $0.isNumber })
  }

  /// A name, and what is left of it as words at its end that say nothing about shapes fall away.
  private static func spellings(of name: String) -> [String] {
    var words = name.lowercased()
      .split(whereSeparator: { "-_ ".contains($0) }).map(String.init)
    var spellings: [String] = []
    while !words.isEmpty {
      spellings.append(plain(words.joined()))
      guard let last = words.last, silentWords.contains(last) else { break }
      words.removeLast()
    }
    return spellings + spellings.compactMap { $0.hasPrefix("meta") ? String($0.dropFirst(4)) : nil }
  }

  private static let silentWords: Set<String> = [
    "instruct", "chat", "hf", "base", "it", "pt", "thinking", "preview", "2507", "2407", "2411",
    "0324", "0528", "0905", "1124", "4k", "8k", "16e", "e",
  ]

  /// Spellings whose shapes are those of a model that ships under another name.
  private static let otherNames = [
    "llama3370b": "llama-3.1-70b", "llama38binstruct": "llama-3-8b",
    "mixtral8x7bv01": "mixtral-8x7b", "mixtral8x7binstructv01": "mixtral-8x7b",
    "mixtral8x22bv01": "mixtral-8x22b", "mixtral8x22binstructv01": "mixtral-8x22b",
    "mistral7bv03": "mistral-7b", "mistral7binstructv03": "mistral-7b",
    "mistral7binstructv01": "mistral-7b-v0.1", "mistralnemo": "mistral-nemo-12b",
    "phi3mini4kinstruct": "phi-3-mini", "olmo211247b": "olmo-2-7b", "olmo27b": "olmo-2-7b",
    "llama4scout17b16e": "llama-4-scout", "llama4scout17b": "llama-4-scout",
    "gpt3": "gpt-3-175b", "deepseek3": "deepseek-v3", "deepseekr1zero": "deepseek-r1",
    "deepseekv31": "deepseek-v3", "nemotronh8b": "nemotron-h-8b",
  ]
}
