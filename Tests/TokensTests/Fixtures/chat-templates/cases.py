"""Writes cases.json: conversations as transformers' apply_chat_template renders them by templates that use what
those of open models use (marks of Llama 3, Mistral, Gemma, Qwen, DeepSeek), written for this test.

    python3 cases.py [FOLDER]    # of templates of one's own, *.jinja, instead: prints their cases
"""
import glob
import json
import os
import sys

import transformers
from tokenizers import Tokenizer, models
from transformers import PreTrainedTokenizerFast

TEMPLATES = {
    "llama3": """{{- bos_token }}
{%- if custom_date is defined %}
    {%- set day = custom_date %}
{%- elif strftime_now is defined_elsewhere %}
{%- else %}
    {%- set day = "no day" %}
{%- endif %}
{%- if messages[0]['role'] == 'system' %}
    {%- set first = messages[0]['content'] | trim %}
    {%- set messages = messages[1:] %}
{%- else %}
    {%- set first = "" %}
{%- endif %}
{#- The day stands in every head. #}
{{- "<|start_header_id|>system<|end_header_id|>\\n\\n" }}
{{- "Today: " + day + "\\n" }}
{%- if tools is not none %}
    {{- "Tools:\\n" }}
    {%- for tool in tools %}
        {{- tool | tojson(indent=4) }}
        {{- "\\n\\n" }}
    {%- endfor %}
{%- endif %}
{{- first ~ "<|eot_id|>" }}
{%- for message in messages %}
    {%- if not (message.role == 'tool' or 'tool_calls' in message) %}
        {{- '<|start_header_id|>' + message['role'] + '<|end_header_id|>\\n\\n' + message['content'] | trim + '<|eot_id|>' }}
    {%- elif 'tool_calls' in message %}
        {%- if not message.tool_calls|length == 1 %}
            {{- raise_exception("one call at a time") }}
        {%- endif %}
        {%- set call = message.tool_calls[0].function %}
        {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n{"name": "' + call.name + '", ' }}
        {{- '"parameters": ' }}{{ call.arguments | tojson }}{{ "}<|eot_id|>" }}
    {%- else %}
        {{- "<|start_header_id|>ipython<|end_header_id|>\\n\\n" }}
        {%- if message.content is mapping or (message.content is iterable and message.content is not string) %}
            {{- message.content | tojson }}
        {%- else %}
            {{- message.content }}
        {%- endif %}
        {{- "<|eot_id|>" }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}
{%- endif %}
""".replace("{%- elif strftime_now is defined_elsewhere %}\n", ""),
    "mistral": """{%- if messages[0]["role"] == "system" %}
    {%- set system_message = messages[0]["content"] %}
    {%- set loop_messages = messages[1:] %}
{%- else %}
    {%- set loop_messages = messages %}
{%- endif %}
{%- set ns = namespace() %}
{%- set ns.index = 0 %}
{%- for message in loop_messages %}
    {%- if not (message.role == "tool" or message.tool_calls is defined and message.tool_calls is not none) %}
        {%- if (message["role"] == "user") != (ns.index % 2 == 0) %}
            {{- raise_exception("roles take turns, at " ~ ns.index) }}
        {%- endif %}
        {%- set ns.index = ns.index + 1 %}
    {%- endif %}
{%- endfor %}
{{- bos_token }}
{%- for message in loop_messages %}
    {%- if message["role"] == "user" %}
        {%- if loop.last and system_message is defined %}
            {{- "[INST] " + system_message + "\\n\\n" + message["content"] + "[/INST]" }}
        {%- else %}
            {{- "[INST] " + message["content"] + "[/INST]" }}
        {%- endif %}
    {%- elif message["role"] == "assistant" %}
        {% generation %}{{- " " + message["content"].strip() + eos_token}}{% endgeneration %}
    {%- else %}
        {{- raise_exception("no such role: " + message.role) }}
    {%- endif %}
{%- endfor %}
""",
    "gemma": """{{ bos_token }}
{%- if messages[0]['role'] == 'system' -%}
    {%- if messages[0]['content'] is string -%}
        {%- set head = messages[0]['content'] + '\\n\\n' -%}
    {%- else -%}
        {%- set head = messages[0]['content'][0]['text'] + '\\n\\n' -%}
    {%- endif -%}
    {%- set rest = messages[1:] -%}
{%- else -%}
    {%- set head = "" -%}
    {%- set rest = messages -%}
{%- endif -%}
{%- for message in rest -%}
    {%- set role = "model" if (message['role'] == 'assistant') else message['role'] -%}
    {{ '<start_of_turn>' + role + '\\n' + (head if loop.first else "") }}
    {%- if message['content'] is string -%}
        {{ message['content'] | trim }}
    {%- elif message['content'] is iterable -%}
        {%- for item in message['content'] -%}
            {%- if item['type'] == 'text' -%}
                {{ item['text'] | trim }}
            {%- else -%}
                {{ '<' ~ item.type|upper ~ '>' }}
            {%- endif -%}
        {%- endfor -%}
    {%- else -%}
        {{ raise_exception("no such content") }}
    {%- endif -%}
    {{ '<end_of_turn>
' }}
{%- endfor -%}
{%- if add_generation_prompt -%}
    {{'<start_of_turn>model
'}}
{%- endif -%}
""",
    "qwen": """{%- set ns = namespace(searching=true, last=messages|length - 1) %}
{%- for message in messages[::-1] %}
    {%- set index = (messages|length - 1) - loop.index0 %}
    {%- if ns.searching and message.role == "user" and not(message.content.startswith('<r>') and message.content.endswith('</r>')) %}
        {%- set ns.searching = false %}
        {%- set ns.last = index %}
    {%- endif %}
{%- endfor %}
{%- for message in messages %}
    {%- if message.content is string %}
        {%- set content = message.content %}
    {%- else %}
        {%- set content = '' %}
    {%- endif %}
    {%- if (message.role == "user") or (message.role == "system" and not loop.first) %}
        {{- '<|im_start|>' + message.role + '\\n' + content + '<|im_end|>' + '\\n' }}
    {%- elif message.role == "assistant" %}
        {%- set thoughts = '' %}
        {%- if '</think>' in content %}
            {%- set thoughts = content.split('</think>')[0].rstrip('\\n').split('<think>')[-1].lstrip('\\n') %}
            {%- set content = content.split('</think>')[-1].lstrip('\\n') %}
        {%- endif %}
        {{- '<|im_start|>' + message.role }}
        {%- if loop.index0 > ns.last and (loop.last or (not loop.last and thoughts)) %}
            {{- '\\n<think>\\n' + thoughts.strip('\\n') + '\\n</think>\\n\\n' + content.lstrip('\\n') }}
        {%- else %}
            {{- '\\n' + content }}
        {%- endif %}
        {{- '<|im_end|>\\n' }}
    {%- elif message.role == "tool" %}
        {%- if loop.first or (messages[loop.index0 - 1].role != "tool") %}
            {{- '<|im_start|>user' }}
        {%- endif %}
        {{- '\\n<r>\\n' ~ content ~ '\\n</r>' }}
        {%- if loop.last or (messages[loop.index0 + 1].role != "tool") %}
            {{- '<|im_end|>\\n' }}
        {%- endif %}
    {%- elif loop.first %}
        {{- '<|im_start|>' ~ message.role ~ '\\n' ~ content ~ '<|im_end|>\\n' }}
    {%- endif %}
{%- endfor %}
{%- if add_generation_prompt %}
    {{- '<|im_start|>assistant\\n' }}
    {%- if enable_thinking is defined and enable_thinking is false %}
        {{- '<think>\\n\\n</think>\\n\\n' }}
    {%- endif %}
{%- endif %}""",
    "deepseek": "{% if not add_generation_prompt is defined %}{% set add_generation_prompt = false %}{% endif %}"
    "{% set ns = namespace(is_first=false, is_tool=false, system_prompt='') %}"
    "{%- for message in messages %}{%- if message['role'] == 'system' %}"
    "{%- set ns.system_prompt = ns.system_prompt + ('' if not ns.is_first else '\\n\\n') + message['content'] %}"
    "{% set ns.is_first = true %}{%- endif %}{%- endfor %}{{ bos_token }}{{ ns.system_prompt }}"
    "{%- for message in messages %}{%- if message['role'] == 'user' %}{%- set ns.is_tool = false -%}"
    "{{'<｜User｜>' + message['content']}}{%- endif %}"
    "{%- if message['role'] == 'assistant' and 'tool_calls' in message %}{%- set ns.is_tool = true -%}"
    "{%- for call in message['tool_calls'] %}"
    "{{'<｜Assistant｜>' + call['function']['name'] + '\\n' + '```json' + '\\n' + call['function']['arguments']|tojson + '\\n```'}}"
    "{%- endfor %}{{'<｜end▁of▁sentence｜>'}}"
    "{%- elif message['role'] == 'assistant' and message['content'] is not none %}"
    "{% set content = message['content'] %}{% if '</think>' in content %}"
    "{% set content = content.split('</think>')[-1] %}{% endif %}"
    "{{'<｜Assistant｜>' + content + '<｜end▁of▁sentence｜>'}}{%- endif %}"
    "{%- if message['role'] == 'tool' %}{{'\\n' + message['content']|string}}{%- endif %}{%- endfor -%}"
    "{% if add_generation_prompt and not ns.is_tool %}{{'<｜Assistant｜>'}}{% endif %}",
    "white space": """  {# a comment that stands alone #}
Begin
  {% for message in messages %}
  {% if loop.index is odd %}
    {{ loop.index }}/{{ loop.length }} {{ message.role|capitalize }}:
  {%+ endif +%}

{{- message['content']|replace('\\n', ' / ')|default('none') -}}
   {% if not loop.last %}, {% else %}. {{ loop.previtem.role }}{% endif %}

  {% else %}
nobody
  {% endfor %}
  {% set text %}[{{ messages|length }}]{% endset %}
{{ text }} {{ 7 // 2 }} {{ -7 % 3 }} {{ 1 < 2 < 3 }} {{ none }} {{ nothing }} {{ 'a' 'b' }}
{%- for key, value in messages[0].items() if key != 'role' %} {{ key }}={{ value|length }}{% endfor %}
{{ messages | last is mapping }} {{ [1, 2] + [3] | list }}
""".replace(" {{ [1, 2] + [3] | list }}", " {{ ([1, 2] + [3]) | join('-') }}"),
}

CONVERSATIONS = {
    "one": [{"role": "user", "content": " What is 2 + 2? "}],
    "answered": [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": " Hello! \n"}],
    "system": [
        {"role": "system", "content": "Be brief.\nBe kind."},
        {"role": "user", "content": "Grüße, 世界 \"quoted\"\n"},
        {"role": "assistant", "content": "<think>\nhm\n</think>\n\nFine."},
        {"role": "user", "content": "And\r\nnow?"},
    ],
    "turns": [
        {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"},
        {"role": "user", "content": "c"}, {"role": "assistant", "content": "<think>x</think>d"},
    ],
    "wrong turns": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}],
    "calls": [
        {"role": "user", "content": "weather?"},
        {"role": "assistant", "content": None, "tool_calls": [
            {"type": "function", "function": {
                "name": "weather", "arguments": {"town": "Köln\t/", "days": [1, 2.5, True, None]}}}]},
        {"role": "tool", "content": "rain"}, {"role": "tool", "content": "wind"},
        {"role": "assistant", "content": "It rains."},
    ],
    "parts": [
        {"role": "system", "content": [{"type": "text", "text": "Look."}]},
        {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": " what? "}]},
    ],
}

TOKENS = {"bos_token": "<s>", "eos_token": "</s>"}
TOOLS = [{"type": "function", "function": {"name": "weather", "parameters": {}}}]


def rendered(tokenizer, template, messages, **more):
    try:
        return {"text": tokenizer.apply_chat_template(
            messages, chat_template=template, tokenize=False, **more)}
    except Exception as error:
        return {"error": str(error)}


def cases(templates):
    tokenizer = PreTrainedTokenizerFast(tokenizer_object=Tokenizer(models.BPE()), **TOKENS)
    for name, template in templates.items():
        for title, messages in CONVERSATIONS.items():
            for prompt in (False, True):
                for tools in (None, TOOLS) if title == "calls" else (None,):
                    yield {"template": name, "conversation": title, "prompt": prompt, "tools": tools,
                           **rendered(tokenizer, template, messages, add_generation_prompt=prompt,
                                      tools=tools)}


if __name__ == "__main__":
    templates = TEMPLATES
    if len(sys.argv) > 1:
        templates = {os.path.basename(path): open(path, encoding="utf-8").read()
                     for path in sorted(glob.glob(f"{sys.argv[1]}/*.jinja"))}
    everything = {
        "source": f"cases.py with transformers {transformers.__version__}", "tokens": TOKENS,
        "templates": templates, "conversations": CONVERSATIONS, "cases": list(cases(templates))}
    text = json.dumps(everything, ensure_ascii=False, indent=1) + "\n"
    if len(sys.argv) > 1:
        print(text)
    else:
        here = os.path.dirname(os.path.abspath(__file__))
        open(os.path.join(here, "cases.json"), "w", encoding="utf-8").write(text)
