import Documents
import Foundation
import Testing

/// A document as JSON, for outputs that say what they were made from.
@Suite struct EncodingTests {
  @Test func valuesKeepTheirKinds() throws {
    let document = try Document(
      text: """
        name: "7"
        global-batch: 15360
        share: 0.075
        fused: true
        source:
        size: 4 KiB
        counts: [4, 4, 1]
        load: {deviation: 1e-2, seed: 1}
        """, name: "plan.yaml")
    let encoder = JSONEncoder()
    encoder.outputFormatting = .sortedKeys
    let text = String(decoding: try encoder.encode(document), as: UTF8.self)
    #expect(
      text == """
        {"counts":[4,4,1],"fused":true,"global-batch":15360,\
        "load":{"deviation":0.01,"seed":1},"name":"7","share":0.075,"size":"4 KiB",\
        "source":null}
        """)
  }
}
