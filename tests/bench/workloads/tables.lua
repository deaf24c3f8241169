-- Short strings, tables that grow, a tree that is built and dropped.
local function tree(depth)
    if depth == 0 then return {} end
    return { tree(depth - 1), tree(depth - 1) }
end

local function count(node)
    if not node[1] then return 1 end
    return count(node[1]) + count(node[2])
end

local total = 0
for _ = 1, 12 do total = total + count(tree(15)) end
local keys = {}
for i = 1, 300000 do keys["k" .. i % 20000] = (keys["k" .. i % 20000] or "") .. string.char(65 + i % 26) end
local parts = {}
for key, value in pairs(keys) do parts[#parts + 1] = key .. "=" .. value end
table.sort(parts)
print(total, #parts, #table.concat(parts, ","))
