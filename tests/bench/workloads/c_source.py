"""Writes a C file of many functions with loops, switches and structures: work for a compiler."""

import random

random.seed(1)
print("#include <stddef.h>\n")
for i in range(150):
    fields = " ".join(f"int f{j};" for j in range(random.randint(2, 9)))
    print(f"struct s{i} {{ {fields} struct s{i} *next; }};")
    print(f"int work{i}(struct s{i} *s, int n)\n{{\n    int sum = {i};")
    print("    for (int i = 0; i < n; i++) {\n        switch ((i + sum) % 5) {")
    for case in range(4):
        callee = f"work{random.randrange(i)}(NULL, i)" if i and random.random() < 0.3 else "i"
        print(f"        case {case}: sum += {callee} * {random.randint(1, 99)}; break;")
    print("        default: sum ^= i << 3;\n        }\n        if (s) {")
    print(f"            s->f0 += sum; s->f1 -= i * {random.randint(1, 9)}; s = s->next;")
    print("        }\n    }\n    return sum;\n}\n")
